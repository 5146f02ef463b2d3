//! Actions: prepared statements, cancelling, sessions.

use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any, Command, ProstMessageExt,
};
use arrow_flight::{Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo};
use arrow_schema::Schema;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use prost::Message;
use rand::RngCore;
use tonic::Status;

use crate::caller::Caller;
use crate::door::{Door, decoded, outside_transaction, schema_bytes};
use crate::error;
use crate::handles::Kind;
use crate::session_messages::{
    CloseSessionResult, CloseStatus, GetSessionOptionsResult, SetSessionOptionsRequest, SetSessionOptionsResult,
};
use crate::{parameters, session_options};

/// What an action brought.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) results: Vec<arrow_flight::Result>,
    /// A session that began with it.
    pub(crate) session: Option<String>,
}

impl Done {
    fn with(body: impl Into<Bytes>) -> Self {
        Self {
            results: vec![arrow_flight::Result { body: body.into() }],
            session: None,
        }
    }
}

/// A name for a session, which nobody guesses.
pub(crate) fn session_name() -> String {
    let mut name = [0; 18];
    rand::rng().fill_bytes(&mut name);
    URL_SAFE_NO_PAD.encode(name)
}

/// The actions that [`act`] knows.
pub(crate) fn list() -> Vec<ActionType> {
    let action = |(name, description): (&str, &str)| ActionType {
        r#type: name.to_owned(),
        description: description.to_owned(),
    };
    [
        ("CreatePreparedStatement", "Prepares a statement for repeated use"),
        ("ClosePreparedStatement", "Ends a prepared statement"),
        ("CancelFlightInfo", "Stops a query"),
        ("CancelQuery", "Stops a query; superseded by CancelFlightInfo"),
        ("SetSessionOptions", "Sets options of the session that the cookie names"),
        ("GetSessionOptions", "Tells the options of the session"),
        ("CloseSession", "Ends the session"),
    ]
    .map(action)
    .into()
}

/// Does what the action says.
///
/// # Errors
/// `Unimplemented` for actions that are not listed.
pub(crate) async fn act(door: &Door, caller: Caller, action: Action) -> Result<Done, Status> {
    match action.r#type.as_str() {
        "CreatePreparedStatement" => create(door, &caller, unpacked(&action.body)?).await,
        "ClosePreparedStatement" => {
            let request: ActionClosePreparedStatementRequest = unpacked(&action.body)?;
            // Closing twice is no error, as in PostgreSQL; nor does the answer tell whose it was.
            let _closed = door
                .handles()
                .close(Kind::Prepared, &caller.identity, &request.prepared_statement_handle);
            Ok(Done::default())
        }
        "CancelQuery" => {
            let request: ActionCancelQueryRequest = unpacked(&action.body)?;
            let info = FlightInfo::decode(request.info).map_err(|_| malformed())?;
            cancel(door, &caller, &info)?;
            let result = ActionCancelQueryResult {
                result: CancelStatus::Cancelled as i32,
            };
            Ok(Done::with(result.as_any().encode_to_vec()))
        }
        "CancelFlightInfo" => {
            let request = CancelFlightInfoRequest::decode(action.body).map_err(|_| malformed())?;
            cancel(door, &caller, &request.info.ok_or_else(malformed)?)?;
            let result = CancelFlightInfoResult {
                status: CancelStatus::Cancelled as i32,
            };
            Ok(Done::with(result.encode_to_vec()))
        }
        "SetSessionOptions" => set_options(door, caller, action.body).await,
        "GetSessionOptions" => {
            let session = door.session(&caller)?;
            let session_options = session_options::get(&*session.client().await);
            Ok(Done::with(GetSessionOptionsResult { session_options }.encode_to_vec()))
        }
        "CloseSession" => {
            let name = caller.session.as_deref().unwrap_or_default();
            let closed = door.handles().close_session(&caller.identity, name);
            let status = if closed {
                CloseStatus::Closed
            } else {
                CloseStatus::NotCloseable
            };
            let status = status as i32;
            Ok(Done::with(CloseSessionResult { status }.encode_to_vec()))
        }
        "BeginTransaction" | "EndTransaction" | "BeginSavepoint" | "EndSavepoint" => Err(error::unsupported(
            "transactions are not supported\nHINT:  BEGIN in a session pins the versions of tables for its queries.",
        )),
        "CreatePreparedSubstraitPlan" => Err(error::unsupported("Substrait plans are not supported")),
        _ => Err(error::unsupported("the action is not supported")),
    }
}

async fn create(door: &Door, caller: &Caller, request: ActionCreatePreparedStatementRequest) -> Result<Done, Status> {
    outside_transaction(request.transaction_id.as_ref())?;
    let (handle, statement) = door.prepare(Kind::Prepared, caller, &request.query).await?;
    let parameters = statement.prepared().parameters();
    let parameters: Vec<_> = parameters.map(parameters::described).collect();
    let result = ActionCreatePreparedStatementResult {
        prepared_statement_handle: handle,
        // JDBC takes a statement without a schema for one that is run by DoPut.
        dataset_schema: statement
            .schema()
            .map_or_else(|| Ok(Bytes::new()), |schema| schema_bytes(schema))?,
        parameter_schema: schema_bytes(&engine::owned_schema(&Schema::new(parameters)))?,
    };
    Ok(Done::with(result.as_any().encode_to_vec()))
}

fn cancel(door: &Door, caller: &Caller, info: &FlightInfo) -> Result<(), Status> {
    for endpoint in &info.endpoint {
        let ticket = endpoint.ticket.as_ref().ok_or_else(malformed)?;
        let (kind, handle) = match decoded(&ticket.ticket)? {
            Command::TicketStatementQuery(ticket) => (Kind::Ticket, ticket.statement_handle),
            Command::CommandPreparedStatementQuery(query) => (Kind::Prepared, query.prepared_statement_handle),
            _ => return Err(error::unknown_handle()),
        };
        let found = door.handles().find(kind, &caller.identity, &handle);
        found.ok_or_else(error::unknown_handle)?.cancel();
        if kind == Kind::Ticket {
            door.handles().close(kind, &caller.identity, &handle);
        }
    }
    match info.endpoint.is_empty() {
        true => Err(error::unknown_handle()),
        false => Ok(()),
    }
}

async fn set_options(door: &Door, mut caller: Caller, body: Bytes) -> Result<Done, Status> {
    let request = SetSessionOptionsRequest::decode(body).map_err(|_| malformed())?;
    let began = caller.session.is_none();
    let name = caller.session.get_or_insert_with(session_name).clone();
    let session = door.session(&caller)?;
    let errors = session_options::set(&mut *session.client().await, door.engine(), request.session_options).await;
    let mut done = Done::with(SetSessionOptionsResult { errors }.encode_to_vec());
    done.session = began.then_some(name);
    Ok(done)
}

fn unpacked<M: ProstMessageExt>(body: &[u8]) -> Result<M, Status> {
    let any = Any::decode(body).map_err(|_| malformed())?;
    any.unpack().ok().flatten().ok_or_else(malformed)
}

fn malformed() -> Status {
    error::malformed("the action cannot be decoded")
}
