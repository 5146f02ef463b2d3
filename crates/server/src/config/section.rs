//! Takes typed values out of a [`Node`] table, remembers which keys were asked for, and at the end refuses those that
//! nobody asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::{Error, ErrorKind, Result};

use super::node::{Node, Origin, Value};
use super::secret::Secret;
use super::units;

/// Keys farther from the written one than this are no help as a suggestion on their own.
const SUGGESTION_DISTANCE_MAX: usize = 4;

/// What every section shares: the file's name for errors, and the folder that relative paths start from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) file: &'a str,
    pub(crate) folder: &'a Path,
}

/// One table while it is read.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    place: Place<'a>,
    path: String,
    origin: Origin,
    entries: BTreeMap<String, Node>,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(crate) fn new(place: Place<'a>, path: &str, origin: Origin, entries: BTreeMap<String, Node>) -> Self {
        Self {
            place,
            path: path.to_owned(),
            origin,
            entries,
            asked: Vec::new(),
        }
    }

    pub(crate) fn place(&self) -> Place<'a> {
        self.place
    }

    /// An error about this table as a whole.
    pub(crate) fn error(&self, message: impl AsRef<str>) -> Error {
        let place = self.origin.describe(self.place.file);
        Error::new(ErrorKind::Configuration, format!("{place}: {}", message.as_ref()))
    }

    fn key_path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn key_error(&self, origin: &Origin, key: &str, message: impl AsRef<str>) -> Error {
        let place = origin.describe(self.place.file);
        Error::new(
            ErrorKind::Configuration,
            format!("{place}: {}: {}", self.key_path(key), message.as_ref()),
        )
    }

    fn take(&mut self, key: &'static str) -> Option<Node> {
        self.asked.push(key);
        self.entries.remove(key)
    }

    /// Takes a value that `parse` makes of a text.
    pub(crate) fn parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> std::result::Result<T, String>,
    ) -> Result<Option<T>> {
        let Some(node) = self.take(key) else { return Ok(None) };
        let text = self.node_text(&node, key)?;
        parse(&text)
            .map(Some)
            .map_err(|message| self.key_error(&node.origin, key, message))
    }

    fn node_text(&self, node: &Node, key: &str) -> Result<String> {
        match &node.value {
            Value::Text(text) => Ok(text.clone()),
            other => Err(self.key_error(&node.origin, key, format!("expected a string, found {}", other.kind()))),
        }
    }

    /// Takes a string.
    pub(crate) fn text(&mut self, key: &'static str) -> Result<Option<String>> {
        self.parsed(key, |text| Ok(text.to_owned()))
    }

    /// Takes a string that must be there.
    pub(crate) fn required_text(&mut self, key: &'static str) -> Result<String> {
        match self.text(key)? {
            Some(text) if !text.is_empty() => Ok(text),
            Some(_) => Err(self.error(format!("{} must not be empty", self.key_path(key)))),
            None => Err(self.error(format!("{} is missing", self.key_path(key)))),
        }
    }

    /// Takes a duration such as `"30s"`.
    pub(crate) fn duration(&mut self, key: &'static str) -> Result<Option<Duration>> {
        self.parsed(key, units::duration)
    }

    /// Takes a size such as `"8GiB"`, in bytes.
    pub(crate) fn size(&mut self, key: &'static str) -> Result<Option<usize>> {
        self.parsed(key, units::size)
    }

    /// Takes a path; a relative one starts at the file's folder.
    pub(crate) fn file_path(&mut self, key: &'static str) -> Result<Option<PathBuf>> {
        let folder = self.place.folder;
        self.parsed(key, |text| Ok(folder.join(text)))
    }

    /// Takes a secret or a reference to one.
    pub(crate) fn secret(&mut self, key: &'static str) -> Result<Option<Secret>> {
        let folder = self.place.folder;
        self.parsed(key, |text| Secret::parse(text, folder))
    }

    /// Takes one word out of `words`.
    pub(crate) fn word(&mut self, key: &'static str, words: &[&'static str]) -> Result<Option<&'static str>> {
        self.parsed(key, |text| match words.iter().find(|word| **word == text) {
            Some(word) => Ok(*word),
            None => Err(format!("\"{text}\" is none of {}", quoted_list(words))),
        })
    }

    /// Takes a whole number that is not negative.
    pub(crate) fn count(&mut self, key: &'static str) -> Result<Option<u64>> {
        let Some(node) = self.take(key) else { return Ok(None) };
        let number = match (&node.value, &node.origin) {
            (Value::Integer(number), _) => u64::try_from(*number).ok(),
            (Value::Text(text), Origin::Environment(_)) => text.parse().ok(),
            _ => None,
        };
        let error = || self.key_error(&node.origin, key, "expected a whole number that is not negative");
        number.map(Some).ok_or_else(error)
    }

    /// Takes true or false.
    pub(crate) fn boolean(&mut self, key: &'static str) -> Result<Option<bool>> {
        let Some(node) = self.take(key) else { return Ok(None) };
        let boolean = match (&node.value, &node.origin) {
            (Value::Boolean(boolean), _) => Some(*boolean),
            (Value::Text(text), Origin::Environment(_)) => text.parse().ok(),
            _ => None,
        };
        boolean
            .map(Some)
            .ok_or_else(|| self.key_error(&node.origin, key, "expected true or false"))
    }

    /// Takes a list of strings; from the environment, separated by commas.
    pub(crate) fn texts(&mut self, key: &'static str) -> Result<Vec<String>> {
        let Some(node) = self.take(key) else {
            return Ok(Vec::new());
        };
        match (&node.value, &node.origin) {
            (Value::Array(nodes), _) => nodes.iter().map(|node| self.node_text(node, key)).collect(),
            (Value::Text(text), Origin::Environment(_)) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Ok(parts.map(str::to_owned).collect())
            }
            _ => Err(self.key_error(&node.origin, key, "expected a list of strings")),
        }
    }

    /// Takes a table of strings with free keys.
    pub(crate) fn map(&mut self, key: &'static str) -> Result<BTreeMap<String, String>> {
        let Some(node) = self.take(key) else {
            return Ok(BTreeMap::new());
        };
        let Value::Table(entries) = &node.value else {
            return Err(self.key_error(&node.origin, key, "expected a table of strings"));
        };
        let texts = entries.iter().map(|(name, node)| match &node.value {
            Value::Text(text) => Ok((name.clone(), text.clone())),
            Value::Integer(number) => Ok((name.clone(), number.to_string())),
            Value::Boolean(boolean) => Ok((name.clone(), boolean.to_string())),
            other => Err(self.key_error(
                &node.origin,
                key,
                format!("{name}: expected a string, found {}", other.kind()),
            )),
        });
        texts.collect()
    }

    /// Takes `["a", "b"]` as names under themselves, or `{ b = "a" }` as new names.
    pub(crate) fn renames(&mut self, key: &'static str) -> Result<BTreeMap<String, String>> {
        if matches!(
            self.entries.get(key),
            Some(Node {
                value: Value::Table(_),
                ..
            })
        ) {
            return self.map(key);
        }
        Ok(self.texts(key)?.into_iter().map(|name| (name.clone(), name)).collect())
    }

    /// Takes a table as a section of its own.
    pub(crate) fn section(&mut self, key: &'static str) -> Result<Option<Section<'a>>> {
        let Some(node) = self.take(key) else { return Ok(None) };
        match node.value {
            Value::Table(entries) => Ok(Some(Section::new(
                self.place,
                &self.key_path(key),
                node.origin,
                entries,
            ))),
            other => Err(self.key_error(&node.origin, key, format!("expected a table, found {}", other.kind()))),
        }
    }

    /// Takes an array of tables.
    pub(crate) fn sections(&mut self, key: &'static str) -> Result<Vec<Section<'a>>> {
        let Some(node) = self.take(key) else {
            return Ok(Vec::new());
        };
        let Value::Array(nodes) = node.value else {
            return Err(self.key_error(
                &node.origin,
                key,
                format!("expected tables written [[{}]]", self.key_path(key)),
            ));
        };
        let path = self.key_path(key);
        let mut sections = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node.value {
                Value::Table(entries) => sections.push(Section::new(self.place, &path, node.origin, entries)),
                other => {
                    return Err(self.key_error(&node.origin, key, format!("expected a table, found {}", other.kind())));
                }
            }
        }
        Ok(sections)
    }

    /// Ends the section: a key that nothing asked for is an error that names the nearest right one.
    pub(crate) fn finish(self) -> Result<()> {
        let Some((key, node)) = self.entries.iter().next() else {
            return Ok(());
        };
        let place = node.origin.describe(self.place.file);
        let error = Error::new(
            ErrorKind::Configuration,
            format!("{place}: unknown key `{}`", self.key_path(key)),
        );
        let nearest = self
            .asked
            .iter()
            .min_by_key(|asked| strsim::damerau_levenshtein(asked, key));
        let hint = match nearest {
            Some(nearest) if strsim::damerau_levenshtein(nearest, key) <= SUGGESTION_DISTANCE_MAX => {
                format!("The nearest key is `{nearest}`.")
            }
            Some(nearest) => format!("The nearest key is `{nearest}`; keys here are {}.", list(&self.asked)),
            None => "No key is known here.".to_owned(),
        };
        Err(error.with_hint(hint))
    }
}

fn list(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

fn quoted_list(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("\"{word}\""))
        .collect::<Vec<_>>()
        .join(", ")
}
