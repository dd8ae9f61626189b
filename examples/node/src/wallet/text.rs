//! Answers of a node as text. Whoever wants them exact takes JSON.

use serde_json::Value;

/// One line for each field; what is inside a field is indented, lists are numbered.
///
/// ```
/// use cpchain_node::wallet::text::lines;
/// let answer = serde_json::json!({ "height": 7, "rnode": { "amount": "200000" }, "proposers": ["aa", "bb"] });
/// assert_eq!(
///     lines(&answer),
///     "height               7\nproposers\n  0                  aa\n  1                  bb\nrnode\n  amount             200000\n"
/// );
/// ```
pub fn lines(answer: &Value) -> String {
    let mut text = String::new();
    write(&mut text, answer, 0);
    text
}

fn write(text: &mut String, value: &Value, indent: usize) {
    let mut row = |name: &str, value: &Value| {
        let width = 20_usize.saturating_sub(indent);
        let name = format!("{:indent$}{name:<width$}", "");
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                text.push_str(&format!("{}\n", name.trim_end()));
                write(text, value, indent + 2);
            }
            Value::Array(inner) if !inner.is_empty() => {
                text.push_str(&format!("{}\n", name.trim_end()));
                write(text, value, indent + 2);
            }
            other => text.push_str(&format!("{name} {}\n", plain(other))),
        }
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| row(name, value)),
        Value::Array(list) => list.iter().enumerate().for_each(|(place, value)| row(&place.to_string(), value)),
        other => text.push_str(&format!("{}\n", plain(other))),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => "none".to_owned(),
        other => other.to_string(),
    }
}

/// A reputation as a table: what each dimension is worth.
pub fn reputation(answer: &Value) -> String {
    let get = |of: &Value, field: &str| of.get(field).map_or_else(|| "-".to_owned(), plain);
    let rows = answer.get("dimensions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut text = format!(
        "{}\n{} of {} candidates of the election at the end of term {}, at height {}\n\n",
        get(answer, "account"),
        if answer.get("is_candidate") == Some(&Value::Bool(true)) { "one" } else { "none" },
        get(answer, "candidates"),
        get(answer, "election_at_the_end_of_term"),
        get(answer, "height"),
    );
    text.push_str(&format!("{:<14}{:>28}{:>8}{:>8}{:>8}\n", "dimension", "value", "rank", "weight", "points"));
    for row in rows {
        let [name, value, rank, weight, points] =
            ["dimension", "value", "rank", "weight", "points"].map(|field| get(row, field));
        text.push_str(&format!("{name:<14}{value:>28}{rank:>8}{weight:>8}{points:>8}\n"));
    }
    text.push_str(&format!(
        "impeached {} times in 10,000 heights: {} ninths are left, and never less than 1,000\nreputation {}\n",
        get(answer, "impeached"),
        get(answer, "kept_ninths"),
        get(answer, "reputation"),
    ));
    text
}
