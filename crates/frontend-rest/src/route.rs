//! Which paths there are.

use hyper::{Method, StatusCode};

use crate::error::Refusal;
use crate::url;

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/healthz`
    Alive,
    /// `/readyz`
    Ready,
    /// `/api/v2`
    Services,
    /// `/api/v2/{service}`
    Resources { service: String },
    /// `/api/v2/{service}/_table`
    Tables { service: String },
    /// `/api/v2/{service}/_table/{table}`
    Table { service: String, table: Vec<String> },
    /// `/api/v2/{service}/_query`
    Query { service: String },
    /// `/api/v2/{service}/_catalog`
    Schemas { service: String },
    /// `/api/v2/{service}/_catalog/{schema}`
    Schema { service: String, schema: String },
    /// `/api/v2/{service}/_catalog/{schema}/{table}`
    Columns {
        service: String,
        schema: String,
        table: String,
    },
}

impl Route {
    /// The route of a path.
    ///
    /// # Errors
    /// 404 for one that leads nowhere, 400 for one that cannot be read, 501 for what DreamFactory has and we have not.
    pub(crate) fn of(path: &str) -> Result<Self, Refusal> {
        let segments = url::segments(path)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let rest = match segments.as_slice() {
            ["healthz"] => return Ok(Self::Alive),
            ["readyz"] => return Ok(Self::Ready),
            ["api", "v2", rest @ ..] => rest,
            _ => return Err(nowhere(path)),
        };
        Ok(match *rest {
            [] => Self::Services,
            [service] => Self::Resources {
                service: service.to_owned(),
            },
            [service, "_table"] => Self::Tables {
                service: service.to_owned(),
            },
            [service, "_table", table] => {
                let table = url::names(table, '.')?;
                if table.len() > 3 {
                    return Err(Refusal::bad("a table has one to three names between dots")
                        .with_hint("A name that holds dots stands in double quotes."));
                }
                Self::Table {
                    service: service.to_owned(),
                    table,
                }
            }
            [service, "_query"] => Self::Query {
                service: service.to_owned(),
            },
            [service, "_catalog"] => Self::Schemas {
                service: service.to_owned(),
            },
            [service, "_catalog", schema] => Self::Schema {
                service: service.to_owned(),
                schema: schema.to_owned(),
            },
            [service, "_catalog", schema, table] => Self::Columns {
                service: service.to_owned(),
                schema: schema.to_owned(),
                table: table.to_owned(),
            },
            [_, "_table", _, _] => {
                let error = contract::Error::unsupported("rows are not addressed by their id");
                return Err(error.with_hint("Use filter=… on the table.").into());
            }
            [_, known @ ("_schema" | "_proc" | "_func" | "_spec"), ..] => {
                let error = contract::Error::unsupported(format!("\"{known}\" is not supported"));
                return Err(error.with_hint("There are _table, _query and _catalog.").into());
            }
            _ => return Err(nowhere(path)),
        })
    }

    /// Refuses a method that the route has not; HEAD counts as GET.
    ///
    /// # Errors
    /// 405; 501 where the method would write.
    pub(crate) fn check(&self, method: &Method) -> Result<(), Refusal> {
        let allowed = match self {
            Self::Query { .. } => "POST",
            _ => "GET, HEAD",
        };
        if allowed.split(", ").any(|allowed| allowed == method.as_str()) {
            return Ok(());
        }
        let writes =
            [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method) || method.as_str() == "MERGE";
        if writes && matches!(self, Self::Table { .. } | Self::Tables { .. }) {
            let error = contract::Error::unsupported("writing to tables is not supported");
            let hint = "Tables are served for reading only. To send a long question, POST it with the header X-HTTP-Method: GET.";
            return Err(Refusal::from(error.with_hint(hint)).allowing(allowed));
        }
        let message = format!("the method {method} is not allowed here");
        let refusal = Refusal::http(StatusCode::METHOD_NOT_ALLOWED, message).allowing(allowed);
        Err(refusal.with_hint(format!("Use {allowed}.")))
    }
}

fn nowhere(path: &str) -> Refusal {
    let shown: String = path.chars().take(100).collect();
    let refusal = Refusal::http(StatusCode::NOT_FOUND, format!("there is nothing at \"{shown}\""));
    refusal.with_hint("Tables are at /api/v2/{service}/_table, services at /api/v2.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_apart() {
        let table = |parts: &[&str]| Route::Table {
            service: "s".to_owned(),
            table: parts.iter().map(|part| (*part).to_owned()).collect(),
        };
        assert_eq!(Route::of("/api/v2/").unwrap(), Route::Services);
        assert_eq!(Route::of("/api/v2/s/_table/a.b").unwrap(), table(&["a", "b"]));
        assert_eq!(
            Route::of("/api/v2/s/_table/%22a.b%22.c%2Fd/").unwrap(),
            table(&["a.b", "c/d"])
        );
        assert_eq!(
            Route::of("/api/v2/s/_query").unwrap(),
            Route::Query {
                service: "s".to_owned()
            }
        );
        for (path, status) in [
            ("/", 404),
            ("/api/v1/s", 404),
            ("/api/v2/s/_tables", 404),
            ("/api/v2/s/_table/a.b.c.d", 400),
            ("/api/v2/s/_table/a/5", 501),
            ("/api/v2/s/_schema/a", 501),
            ("/api/v2/%ff", 400),
            ("/healthz/x", 404),
            ("/api/v2/s/_table/a..b", 400),
        ] {
            assert_eq!(Route::of(path).unwrap_err().status().as_u16(), status, "{path}");
        }
    }
}
