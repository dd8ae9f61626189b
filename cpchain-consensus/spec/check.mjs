// Checks one module under one configuration: node check.mjs CHECKER_FOLDER MODULE CONFIGURATION holds|fails
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const MAX_STATES = 1_000_000;
const MAX_DEPTH = 200;
const [folder, module, configuration, expected] = process.argv.slice(2);

const checker = await import(pathToFileURL(join(folder, "tla_checker.js")).href);
checker.initSync({ module: readFileSync(join(folder, "tla_checker_bg.wasm")) });
const [spec, cfg] = [`${module}.tla`, `${configuration}.cfg`].map((name) => readFileSync(name, "utf8"));
const started = Date.now();
// Votes run out, so a state without successors is no deadlock.
const found = JSON.parse(checker.check_spec_with_cfg(spec, cfg, "{}", MAX_STATES, MAX_DEPTH, true, false));
const seconds = ((Date.now() - started) / 1000).toFixed(1);

const violated = found.error_type === "InvariantViolation";
const whole = found.success && found.states_explored < MAX_STATES;
const right = expected === "holds" ? whole : violated;
const says = violated ? `fails (${found.error_message})` : found.success ? "holds" : `broken: ${found.error_message}`;
console.log(`${right ? "ok   " : "WRONG"} ${configuration}: ${says}, ${found.states_explored} states, ${seconds} s`);
if (!right && found.trace) console.log(found.trace.join("\n"));
process.exit(right ? 0 : 1);
