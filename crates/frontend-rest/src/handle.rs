//! From a request to its answer.

use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Version};
use uuid::Uuid;

use crate::answer::{self, AnswerBody, set};
use crate::body;
use crate::catalog;
use crate::error::Refusal;
use crate::head_check::HeadCheck;
use crate::parameters::{TableParameters, only, refuse_secrets};
use crate::query;
use crate::route::Route;
use crate::run::{Door, Exchange, check_open, panicked};
use crate::socket::Flushes;
use crate::table;
use crate::url;

/// The longest path with its query. What is longer goes into a body.
const URL_BYTES_MAX: usize = 8 << 10;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Where clients say which method they mean.
const METHOD_HEADERS: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// One connection, as its requests see it.
pub(crate) struct Peer {
    pub(crate) door: Arc<Door>,
    pub(crate) address: IpAddr,
    pub(crate) flushes: Arc<Flushes>,
    pub(crate) heads: Arc<HeadCheck>,
}

/// Answers a request, whatever happens.
pub(crate) async fn handle(peer: Arc<Peer>, request: Request<Incoming>) -> Result<Response<AnswerBody>, Infallible> {
    let (head, body) = request.into_parts();
    let request_id: Arc<str> = request_id(&head.headers).into();
    let is_chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
    let http_1_1 = head.version == Version::HTTP_11;
    let good = peer.heads.next_is_good();
    let exchange = Exchange {
        door: Arc::clone(&peer.door),
        peer: peer.address,
        flushes: Arc::clone(&peer.flushes),
        request_id: Arc::clone(&request_id),
        headers: head.headers,
    };
    let work = async {
        check_head(&head.uri, &exchange.headers, good)?;
        route(&exchange, &head.method, &head.uri, http_1_1, body).await
    };
    let done = AssertUnwindSafe(Box::pin(work)).catch_unwind().await;
    let done = done.unwrap_or_else(|panic| Err(Refusal::from(panicked(&*panic)).closing()));
    let mut response = done.unwrap_or_else(|refusal| answer::refused(&refusal, &request_id));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        set(&mut response, REQUEST_ID, id);
    }
    set(
        &mut response,
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    );
    set(
        &mut response,
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if is_chunked {
        // Behind chunks nothing is read, so that no second reader may see another request there.
        set(&mut response, header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// The client's own id if it is a plain one, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let plain = |id: &&str| {
        (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let own = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(plain);
    own.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned)
}

/// Refuses heads that two readers could read differently, and those that are too long.
fn check_head(uri: &hyper::Uri, headers: &HeaderMap, good: bool) -> Result<(), Refusal> {
    let bad = |message: &str| Err(Refusal::http(StatusCode::BAD_REQUEST, message).closing());
    if !good {
        return bad("the head of the request is ambiguous or malformed");
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return bad("the request names two hosts");
    }
    if let Some(authority) = uri.authority()
        && host.is_none_or(|host| !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()))
    {
        return bad("the request is for another host");
    }
    if uri.path_and_query().map_or(0, |path| path.as_str().len()) > URL_BYTES_MAX {
        let message = format!("the URL is longer than {URL_BYTES_MAX} bytes");
        let refusal = Refusal::http(StatusCode::URI_TOO_LONG, message);
        return Err(refusal.with_hint("POST the parameters as JSON with the header X-HTTP-Method: GET."));
    }
    Ok(())
}

async fn route(
    exchange: &Exchange,
    method: &Method,
    uri: &hyper::Uri,
    http_1_1: bool,
    body: Incoming,
) -> Result<Response<AnswerBody>, Refusal> {
    let route = Route::of(uri.path())?;
    let (method, tunneled) = meant_method(method, &exchange.headers, &route)?;
    route.check(&method)?;
    let pairs = url::pairs(uri.query().unwrap_or_default())?;
    refuse_secrets(&pairs)?;
    match route {
        Route::Alive => {
            return Ok(answer::whole(
                StatusCode::OK,
                "text/plain; charset=utf-8",
                b"alive\n".to_vec(),
            ));
        }
        Route::Ready => {
            check_open(&exchange.door.shutdown)?;
            return Ok(answer::whole(
                StatusCode::OK,
                "text/plain; charset=utf-8",
                b"ready\n".to_vec(),
            ));
        }
        _ => {}
    }
    if !http_1_1 {
        // Its bodies end where the connection ends: a client cannot tell an answer that broke off from a whole one.
        let message = "HTTP/1.0 is not spoken here";
        let refusal = Refusal::http(StatusCode::HTTP_VERSION_NOT_SUPPORTED, message).closing();
        return Err(refusal.with_hint("Use HTTP/1.1; proxies have an option for it."));
    }
    check_open(&exchange.door.shutdown)?;
    let options = &exchange.door.options;
    match route {
        Route::Alive | Route::Ready | Route::Services => {
            only(&pairs, &[])?;
            catalog::services(exchange, &exchange.session(None).await?).await
        }
        Route::Resources { service } => {
            only(&pairs, &[])?;
            exchange.session(Some(&service)).await?;
            catalog::resources(exchange)
        }
        Route::Tables { service } => {
            only(&pairs, &[])?;
            catalog::tables(exchange, &exchange.session(Some(&service)).await?, &service).await
        }
        Route::Schemas { service } => {
            only(&pairs, &[])?;
            catalog::schemas(exchange, &exchange.session(Some(&service)).await?, &service).await
        }
        Route::Schema { service, schema } => {
            only(&pairs, &[])?;
            catalog::schema(exchange, &exchange.session(Some(&service)).await?, &service, &schema).await
        }
        Route::Columns { service, schema, table } => {
            only(&pairs, &[])?;
            catalog::columns(
                exchange,
                &exchange.session(Some(&service)).await?,
                &service,
                &schema,
                &table,
            )
            .await
        }
        Route::Table { service, table } => {
            let session = exchange.session(Some(&service)).await?;
            let members = match tunneled {
                true => body::object(&exchange.headers, body, options).await?,
                false => Vec::new(),
            };
            let parameters = TableParameters::read(pairs, members, options)?;
            Box::pin(table::rows(exchange, session, table, parameters)).await
        }
        Route::Query { service } => {
            only(&pairs, &[])?;
            let session = exchange.session(Some(&service)).await?;
            let members = body::object(&exchange.headers, body, options).await?;
            Box::pin(query::run(exchange, session, members)).await
        }
    }
}

/// The method that is meant, and whether it came within a POST.
fn meant_method(method: &Method, headers: &HeaderMap, route: &Route) -> Result<(Method, bool), Refusal> {
    if method != Method::POST || !matches!(route, Route::Table { .. }) {
        return Ok((method.clone(), false));
    }
    let mut meant = METHOD_HEADERS.iter().filter_map(|name| headers.get(*name));
    match meant.next() {
        None => Ok((method.clone(), false)),
        Some(name) => {
            let name = name.as_bytes().to_ascii_uppercase();
            let named =
                Method::from_bytes(&name).map_err(|_| Refusal::bad("the header X-HTTP-Method names no method"))?;
            Ok((named, true))
        }
    }
}
