// Small drawings, as SVG.

import { svg } from "./dom.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [640, 180, 56, 12, 12, 24];

function scale(values, from, to) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const range = high - low || Math.abs(high) || 1;
  return { low, high, at: (value) => from + ((value - low) / range) * (to - from) };
}

function frame(label, y, unit, left, right) {
  const text = (x, at, anchor, words) => svg("text", { x, y: at, "text-anchor": anchor }, words);
  const show = (value) => `${Number(value.toFixed(2))}${unit}`;
  return [
    svg("title", {}, label),
    svg("line", { class: "axis", x1: LEFT, y1: HEIGHT - BOTTOM, x2: WIDTH - RIGHT, y2: HEIGHT - BOTTOM }),
    text(LEFT - 6, y.at(y.high) + 4, "end", show(y.high)),
    y.low !== y.high && text(LEFT - 6, y.at(y.low) + 4, "end", show(y.low)),
    text(LEFT, HEIGHT - 6, "start", left),
    text(WIDTH - RIGHT, HEIGHT - 6, "end", right),
  ];
}

/** Steps: what held from each height on, up to `end`. Points are [height, value]. */
export function steps(points, end, label, unit) {
  const heights = [...points.map(([height]) => height), end];
  const x = scale(heights, LEFT, WIDTH - RIGHT);
  const y = scale(points.map(([, value]) => value), HEIGHT - BOTTOM - 6, TOP + 4);
  let path = "";
  points.forEach(([height, value], i) => {
    const next = points[i + 1]?.[0] ?? end;
    path += `${i ? "V" : `M${x.at(height)} `}${y.at(value)}H${x.at(next)}`;
  });
  return svg("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" },
    frame(label, y, unit, `block ${points[0][0]}`, `block ${end}`),
    svg("path", { d: path }),
    points.map(([height, value]) => svg("circle", { cx: x.at(height), cy: y.at(value), r: 4 })));
}

/** A curve through points [milliseconds, value]. */
export function curve(points, label, unit, left, right) {
  const x = scale(points.map(([at]) => at), LEFT, WIDTH - RIGHT);
  const y = scale(points.map(([, value]) => value), HEIGHT - BOTTOM - 6, TOP + 4);
  const path = points.map(([at, value], i) => `${i ? "L" : "M"}${x.at(at).toFixed(1)} ${y.at(value).toFixed(1)}`).join("");
  return svg("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" },
    frame(label, y, unit, left, right), svg("path", { d: path }));
}
