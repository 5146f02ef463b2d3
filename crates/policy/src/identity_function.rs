//! The functions that stand for the identity: `current_user`, `session_user`, `user`, `user_attribute('name')` and
//! `is_member('role')`. They become literals in the syntax tree, before planning: no text is ever put together, so
//! no value can be anything but a value.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use contract::Identity;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value, ValueWithSpan,
    VisitMut, VisitorMut, visit_expressions,
};

/// A call of one of these functions.
enum Call {
    User,
    Attribute(String),
    Member(String),
}

/// Checks the use of these functions and says which roles are named in them.
///
/// # Errors
/// What is wrong with a call.
pub(crate) fn check(expression: &Expr) -> Result<Vec<String>, String> {
    let mut roles = Vec::new();
    let outcome = visit_expressions(expression, |expression| {
        if let Expr::Value(ValueWithSpan {
            value: Value::Placeholder(name),
            ..
        }) = expression
        {
            return ControlFlow::Break(format!("there is no parameter {name} in a rule"));
        }
        match call(expression) {
            Ok(Some(Call::Member(role))) => roles.push(role),
            Ok(_) => {}
            Err(message) => return ControlFlow::Break(message),
        }
        ControlFlow::Continue(())
    });
    match outcome {
        ControlFlow::Break(message) => Err(message),
        ControlFlow::Continue(()) => Ok(roles),
    }
}

/// Puts the values of `identity` in place of the calls. `roles` are its roles, with those they are members of.
pub(crate) fn substitute(expression: &mut Expr, identity: &Identity, roles: &BTreeSet<String>) {
    let mut substitution = Substitution { identity, roles };
    // It never breaks off.
    let _: ControlFlow<()> = expression.visit(&mut substitution);
}

struct Substitution<'a> {
    identity: &'a Identity,
    roles: &'a BTreeSet<String>,
}

impl VisitorMut for Substitution<'_> {
    type Break = ();

    /// An attribute is text that came from outside: cast to what it is not, it is NULL and not an error.
    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { kind, expr, .. } = expression
            && is_attribute(expr)
        {
            *kind = CastKind::TryCast;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        // The rules were checked when they were read, so a call with wrong arguments cannot come here; were there
        // one, it stays a function that no registry knows, and binding fails.
        if let Ok(Some(call)) = call(expression) {
            *expression = match call {
                Call::User => text(self.identity.user()),
                Call::Attribute(name) => self.identity.attribute(&name).map_or_else(null_text, text),
                Call::Member(role) => Expr::value(Value::Boolean(self.roles.contains(&role))),
            };
        }
        ControlFlow::Continue(())
    }
}

fn text(value: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(value.to_owned()))
}

fn null_text() -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::value(Value::Null)),
        data_type: DataType::Text,
        array: false,
        format: None,
    }
}

/// Whether this is `user_attribute('x')`, bare, in parentheses or cast already.
fn is_attribute(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_attribute(inner),
        other => matches!(call(other), Ok(Some(Call::Attribute(_)))),
    }
}

fn call(expression: &Expr) -> Result<Option<Call>, String> {
    let Expr::Function(Function { name, args, .. }) = expression else {
        return Ok(None);
    };
    let [part] = name.0.as_slice() else { return Ok(None) };
    let Some(name) = part.as_ident() else { return Ok(None) };
    let name = if name.quote_style.is_some() {
        name.value.clone()
    } else {
        name.value.to_lowercase()
    };
    match name.as_str() {
        "current_user" | "session_user" | "user" => match args {
            FunctionArguments::None => Ok(Some(Call::User)),
            FunctionArguments::List(list) if list.args.is_empty() => Ok(Some(Call::User)),
            _ => Err(format!("{name} takes no argument")),
        },
        "user_attribute" => argument(args)
            .map(|name| Some(Call::Attribute(name)))
            .ok_or_else(|| "user_attribute takes the name of an attribute in single quotes".to_owned()),
        "is_member" => argument(args)
            .map(|role| Some(Call::Member(role)))
            .ok_or_else(|| "is_member takes the name of a role in single quotes".to_owned()),
        _ => Ok(None),
    }
}

/// The one argument, a string.
fn argument(args: &FunctionArguments) -> Option<String> {
    let FunctionArguments::List(list) = args else {
        return None;
    };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(ValueWithSpan { value, .. })))] = list.args.as_slice()
    else {
        return None;
    };
    match value {
        Value::SingleQuotedString(text) => Some(text.clone()),
        _ => None,
    }
}
