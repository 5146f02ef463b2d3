//! Rows in JSON, with each value as its text: a number keeps all of its digits, as they do not in a JSON library.

use crate::transport::{Answer, Column};

/// The rows of `{"resource":[…]}`; nested values as their JSON. Without a row the names of columns are not known.
pub fn rows_of(body: &str) -> Answer {
    let mut rest = body.strip_prefix("{\"resource\":[").unwrap_or_else(|| panic!("{body}"));
    let mut answer = Answer::default();
    while let Some(row) = rest.strip_prefix('{') {
        let mut names = Vec::new();
        let mut values = Vec::new();
        rest = row;
        while !rest.starts_with('}') {
            let (name, after) = value(rest);
            let (text, after) = value(after.strip_prefix(':').unwrap());
            names.push(Column {
                name: serde_json::from_str(name).unwrap(),
                type_oid: None,
            });
            values.push(bare(text));
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        assert!(
            answer.rows.is_empty() || answer.columns == names,
            "rows of different columns in {body}"
        );
        answer.columns = names;
        answer.rows.push(values);
        rest = &rest[1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    assert!(rest.starts_with(']'), "{rest}");
    answer
}

/// A value as PostgreSQL writes it.
fn bare(text: &str) -> Option<String> {
    Some(match text {
        "null" => return None,
        "true" => "t".to_owned(),
        "false" => "f".to_owned(),
        _ if text.starts_with('"') => serde_json::from_str(text).unwrap(),
        _ => text.to_owned(),
    })
}

/// The JSON value at the beginning of `text`, and what stands behind it.
fn value(text: &str) -> (&str, &str) {
    let mut depth = 0_usize;
    let mut quoted = false;
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if quoted {
            quoted = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            if !quoted && depth == 0 {
                return text.split_at(at + 1);
            }
            continue;
        }
        match letter {
            '"' => quoted = true,
            '{' | '[' => depth += 1,
            ',' | ']' | '}' if depth == 0 => return text.split_at(at),
            ']' | '}' => {
                depth -= 1;
                if depth == 0 {
                    return text.split_at(at + 1);
                }
            }
            _ => {}
        }
    }
    panic!("no end of a value in {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_texts() {
        let answer = rows_of(r#"{"resource":[{"a":12.5000,"b\"":"x\\\"},{"},{"a":null,"b\"":[1,"]"]}],"meta":{}}"#);
        assert_eq!(answer.columns[1].name, "b\"");
        assert_eq!(answer.lines(), ["12.5000|x\\\"},{", "∅|[1,\"]\"]"]);
        assert_eq!(rows_of(r#"{"resource":[]}"#), Answer::default());
    }
}
