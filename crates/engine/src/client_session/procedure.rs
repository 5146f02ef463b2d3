//! Procedures of the schema `lakegate`.

use contract::{Error, ErrorKind, QueryContext, Result};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast;

use super::{ClientSession, Outcome};

impl ClientSession {
    /// CALL.
    ///
    /// # Errors
    /// `UndefinedFunction`, `PermissionDenied` for who is no administrator, `UndefinedObject` for an unknown service.
    pub(super) async fn call(
        &self,
        procedure: &str,
        arguments: &[ast::Expr],
        whole: &str,
        ctx: &QueryContext,
    ) -> Result<Outcome> {
        if procedure != "refresh" {
            let message = format!("procedure lakegate.{procedure} does not exist");
            return Err(
                Error::new(ErrorKind::UndefinedFunction, message).with_hint("There is lakegate.refresh('service').")
            );
        }
        if !self.identity.is_administrator() {
            let message = "permission denied for procedure lakegate.refresh";
            return Err(
                Error::new(ErrorKind::PermissionDenied, message).with_hint("Ask an administrator of the gateway.")
            );
        }
        let values = self.evaluate(arguments, whole, ctx).await?;
        let service = match values.as_slice() {
            [] => None,
            [
                ScalarValue::Utf8(Some(name)) | ScalarValue::Utf8View(Some(name)) | ScalarValue::LargeUtf8(Some(name)),
            ] => Some(name.as_str()),
            _ => {
                let message = "lakegate.refresh takes the name of one service, or nothing";
                return Err(
                    Error::new(ErrorKind::InvalidParameter, message).with_hint("CALL lakegate.refresh('service').")
                );
            }
        };
        self.refresh(service)?;
        Ok(Outcome::command("CALL"))
    }

    fn refresh(&self, service: Option<&str>) -> Result<()> {
        let sources = self.engine.sources();
        let asked = sources
            .iter()
            .filter(|source| service.is_none_or(|name| source.service() == name));
        let mut found = false;
        for source in asked {
            source.refresh();
            found = true;
        }
        match (found, service) {
            (false, Some(name)) => {
                let message = format!("service \"{name}\" does not exist");
                let mut names: Vec<_> = sources.iter().map(|source| source.service()).collect();
                names.dedup();
                Err(Error::new(ErrorKind::UndefinedObject, message)
                    .with_hint(format!("There are: {}.", names.join(", "))))
            }
            _ => Ok(()),
        }
    }
}
