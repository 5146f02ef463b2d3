//! What a statement may cost before anything recursive sees it.

use contract::{Error, ErrorKind, Result};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::errors::too_deep;

/// Bounds on the text of a query string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest text, in bytes.
    pub text_bytes: usize,
    /// The most tokens (words, numbers, signs) in one text.
    pub tokens: usize,
    /// The deepest nesting of expressions and subqueries.
    pub nesting: usize,
    /// The most terms in one chain of operators, set operations or joins: each is a level of the plan, and the planner
    /// walks levels on the stack.
    pub chain: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes: 1 << 20,
            tokens: 200_000,
            nesting: 50,
            chain: 1_000,
        }
    }
}

/// One open parenthesis, bracket or CASE.
#[derive(Debug, Default)]
struct Frame {
    /// The height of the operand of AND or OR that is being read.
    height: usize,
    /// The highest of its siblings.
    operands: usize,
    /// How many ANDs and ORs join them.
    booleans: usize,
    /// The highest of those that were read before, at this level.
    highest: usize,
    /// Joins and set operations: each puts another level on top.
    levels: usize,
    is_case: bool,
}

impl Frame {
    fn next_element(&mut self) {
        self.highest = self.highest.max(self.element());
        (self.height, self.operands, self.booleans) = (0, 0, 0);
    }

    fn next_operand(&mut self) {
        self.operands = self.operands.max(self.height);
        self.height = 0;
        self.booleans += 1;
    }

    fn element(&self) -> usize {
        self.operands.max(self.height) + self.booleans
    }

    fn total(&self) -> usize {
        self.highest.max(self.element()) + self.levels
    }
}

/// Bounds the height of the tree that `tokens` (one statement) can parse to, without building it.
///
/// An operator may put a level on what was read so far; a comma begins anew; a closed parenthesis counts one more
/// than what is in it.
pub(crate) fn check_height(tokens: &[TokenWithSpan], limits: &Limits) -> Result<()> {
    let mut frames = vec![Frame::default()];
    // Signs in a row are prefixes, each a level of recursion.
    let mut prefixes = 0;
    for token in tokens {
        let is_prefix = match &token.token {
            Token::Plus | Token::Minus | Token::Tilde | Token::AtSign => true,
            Token::Word(word) => word.quote_style.is_none() && word.keyword == Keyword::NOT,
            _ => false,
        };
        prefixes = if is_prefix { prefixes + 1 } else { 0 };
        if prefixes > limits.nesting {
            return Err(too_deep());
        }
        let Some(top) = frames.last_mut() else { break };
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                if matches!(token.token, Token::LBracket) {
                    top.height += 1;
                }
                frames.push(Frame::default());
            }
            Token::RParen | Token::RBracket | Token::RBrace => close(&mut frames),
            Token::Comma => top.next_element(),
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::CASE => frames.push(Frame {
                    is_case: true,
                    ..Frame::default()
                }),
                Keyword::END if top.is_case => close(&mut frames),
                Keyword::WHEN | Keyword::THEN | Keyword::ELSE if top.is_case => top.next_element(),
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::JOIN => {
                    top.next_element();
                    top.levels += 1;
                }
                Keyword::AND | Keyword::OR => top.next_operand(),
                Keyword::NOT
                | Keyword::IS
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::IN
                | Keyword::COLLATE
                | Keyword::OPERATOR
                | Keyword::AT => top.height += 1,
                _ => {}
            },
            Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::Placeholder(_)
            | Token::Period
            | Token::EOF
            | Token::SemiColon => {}
            _ => top.height += 1,
        }
        if frames.len() > limits.nesting.saturating_mul(2) {
            return Err(too_deep());
        }
        if frames.last().is_some_and(|frame| frame.total() > limits.chain) {
            return Err(Error::new(
                ErrorKind::StatementTooComplex,
                format!("statement has a chain of more than {} operators", limits.chain),
            )
            .with_hint("Write a long OR as IN (…), or split the statement."));
        }
    }
    Ok(())
}

fn close(frames: &mut Vec<Frame>) {
    if frames.len() < 2 {
        return;
    }
    let inner = frames.pop().map_or(0, |frame| frame.total());
    if let Some(top) = frames.last_mut() {
        top.height = top.height.max(inner + 1);
    }
}
