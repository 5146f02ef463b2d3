//! A plan as the JSON that PostgreSQL's EXPLAIN writes: an array of one object with a "Plan".

/// One line of a rendered plan and those that are indented below it.
struct Node<'t> {
    name: &'t str,
    details: &'t str,
    inputs: Vec<Node<'t>>,
}

/// From lines with two blanks of indentation per level. `measured` are the rows and the milliseconds of EXPLAIN ANALYZE.
pub(super) fn render(rendered: &str, measured: Option<(usize, f64)>) -> String {
    let mut lines = rendered.lines().peekable();
    let roots = nodes(&mut lines, 0);
    let mut text = String::from("[\n  {\n    \"Plan\": ");
    match roots.first() {
        Some(root) => write_node(root, 2, measured.map(|(rows, _)| rows), &mut text),
        None => text.push_str("{}"),
    }
    if let Some((_, milliseconds)) = measured {
        text.push_str(&format!(",\n    \"Execution Time\": {milliseconds:.3}"));
    }
    text.push_str("\n  }\n]");
    text
}

fn depth(line: &str) -> usize {
    (line.len() - line.trim_start_matches(' ').len()) / 2
}

fn nodes<'t>(lines: &mut std::iter::Peekable<std::str::Lines<'t>>, level: usize) -> Vec<Node<'t>> {
    let mut found = Vec::new();
    while let Some(line) = lines.next_if(|line| depth(line) >= level) {
        let line = line.trim();
        let (name, details) = line.split_once(": ").unwrap_or((line, ""));
        found.push(Node {
            name,
            details,
            inputs: nodes(lines, level + 1),
        });
    }
    found
}

fn write_node(node: &Node<'_>, level: usize, rows: Option<usize>, text: &mut String) {
    let indentation = "  ".repeat(level + 1);
    text.push_str(&format!("{{\n{indentation}\"Node Type\": {}", quoted(node.name)));
    if !node.details.is_empty() {
        text.push_str(&format!(",\n{indentation}\"Details\": {}", quoted(node.details)));
    }
    if let Some(rows) = rows {
        text.push_str(&format!(",\n{indentation}\"Actual Rows\": {rows}"));
    }
    if !node.inputs.is_empty() {
        text.push_str(&format!(",\n{indentation}\"Plans\": ["));
        for (number, input) in node.inputs.iter().enumerate() {
            text.push_str(if number == 0 { "\n" } else { ",\n" });
            text.push_str(&format!("{indentation}  "));
            write_node(input, level + 2, None, text);
        }
        text.push_str(&format!("\n{indentation}]"));
    }
    text.push_str(&format!("\n{}}}", "  ".repeat(level)));
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            control if u32::from(control) < 0x20 => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indentation_becomes_nesting() {
        let plan = "HashJoin: on=[(\"a\", b)]\n  Scan: t\n    Deep\n  Scan: u\n";
        let expected = "[\n  {\n    \"Plan\": {\n      \"Node Type\": \"HashJoin\",\n      \
                        \"Details\": \"on=[(\\\"a\\\", b)]\",\n      \"Actual Rows\": 3,\n      \"Plans\": [\n        \
                        {\n          \"Node Type\": \"Scan\",\n          \"Details\": \"t\",\n          \"Plans\": [\n            \
                        {\n              \"Node Type\": \"Deep\"\n            }\n          ]\n        },\n        \
                        {\n          \"Node Type\": \"Scan\",\n          \"Details\": \"u\"\n        }\n      ]\n    },\n    \
                        \"Execution Time\": 1.500\n  }\n]";
        assert_eq!(render(plan, Some((3, 1.5))), expected);
    }
}
