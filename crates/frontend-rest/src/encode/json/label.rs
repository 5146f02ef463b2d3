//! What stands between the values of an object: braces, commas and names, made once.

use std::collections::HashSet;

use arrow_schema::Fields;

use super::text::push_string;

/// Labels up to this length are copied as one block, which is cheaper than copying the right number of bytes.
const BLOCK: usize = 32;

/// A piece of text that is written over and over.
#[derive(Debug)]
pub(super) struct Label {
    text: Vec<u8>,
    block: [u8; BLOCK],
}

impl Label {
    fn new(text: Vec<u8>) -> Self {
        let mut block = [0; BLOCK];
        for (target, byte) in block.iter_mut().zip(&text) {
            *target = *byte;
        }
        Self { text, block }
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    #[inline]
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let length = self.text.len();
        if length <= BLOCK {
            let start = out.len();
            out.extend_from_slice(&self.block);
            out.truncate(start + length);
        } else {
            out.extend_from_slice(&self.text);
        }
    }
}

/// The labels of an object: one in front of each value, and one behind the last that ends with `close`. Without fields
/// the object is one label.
pub(super) fn labels(fields: &Fields, close: &[u8]) -> Vec<Label> {
    let mut labels = Vec::with_capacity(fields.len() + 1);
    let mut text = vec![b'{'];
    for name in unique_names(fields) {
        if !labels.is_empty() {
            text.push(b',');
        }
        push_string(&mut text, name.as_bytes());
        text.push(b':');
        labels.push(Label::new(std::mem::take(&mut text)));
    }
    text.extend_from_slice(close);
    labels.push(Label::new(text));
    labels
}

/// The names, with the next free number behind each that stood before.
fn unique_names(fields: &Fields) -> Vec<String> {
    let mut taken: HashSet<String> = fields.iter().map(|field| field.name().clone()).collect();
    let mut seen = HashSet::new();
    let names = fields.iter().map(|field| {
        let name = field.name();
        if seen.insert(name) {
            return name.clone();
        }
        let mut number = 2_u64;
        loop {
            let candidate = format!("{name}_{number}");
            if taken.insert(candidate.clone()) {
                return candidate;
            }
            number += 1;
        }
    });
    names.collect()
}
