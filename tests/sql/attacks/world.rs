//! Servers over the tables of the catalogue.

use std::net::SocketAddr;

use frontend_flight::FlightOptions;
use frontend_rest::RestOptions;
use system_tests::attack_tables::{Twin, access, assert_clean, contains, write};
use system_tests::flight_server::FlightServer;
use system_tests::server::TestServer;
use system_tests::transport::{Answer, Failure, Transport};
use system_tests::transport_flight::Flight;
use system_tests::transport_recorder::{Recorded, Recorder};
use system_tests::transport_rest::{Rest, RestServer};
use system_tests::transport_wire::wire_transports;
use tempfile::TempDir;

use crate::lake;

/// A world, its server, and what that sends.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) server: TestServer,
    pub(crate) recorder: Recorder,
    pub(crate) flight: SocketAddr,
    pub(crate) rest: SocketAddr,
    _servers: (FlightServer, RestServer),
}

impl World {
    /// The tables once as catalog `lake`, for which there are rules, and once as `other`, for which there are none.
    pub(crate) async fn open(twin: Twin) -> Self {
        Self::with_rules(twin, "").await
    }

    /// With another rules file.
    pub(crate) async fn with_rules(twin: Twin, rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(twin, folder.path()).await;
        let sources = ["lake", "other"].map(|name| lake::catalog(name, folder.path()));
        let server = lake::serve(sources.to_vec(), "rides", access(rules)).await;
        let recorder = Recorder::start(server.address).await;
        let flight = FlightServer::over(server.engine.clone(), FlightOptions::default()).await;
        let rest = RestServer::over(server.engine.clone(), RestOptions::default()).await;
        Self {
            folder,
            server,
            flight: recorder.also(flight.address).await,
            rest: recorder.also(rest.address).await,
            recorder,
            _servers: (flight, rest),
        }
    }

    /// All doors for one user, with every byte recorded.
    pub(crate) async fn doors(&self, user: &str) -> Vec<Box<dyn Transport>> {
        let mut doors = wire_transports(self.recorder.address, user).await.unwrap();
        doors.push(Box::new(
            Flight::connect(self.flight, user, Some(self.recorder.clone())).await,
        ));
        doors.push(Box::new(self.rest_door(user).await));
        self.recorder.take();
        doors
    }

    /// Statements through REST, as Arrow.
    pub(crate) async fn rest_door(&self, user: &str) -> Rest {
        Rest::connect(self.rest, "lake", user).await.recorded(&self.recorder)
    }

    /// Runs a statement and looks at every byte that came back; gives how many those are too: of HTTP, how many the
    /// client read, since how they are framed is a matter of moments.
    pub(crate) async fn ask(&self, door: &mut dyn Transport, sql: &str) -> (Result<Answer, Failure>, usize) {
        let answer = door.run(sql).await;
        (answer, self.judge(sql, door.name()))
    }

    /// Looks at every byte that came back for `sql`.
    pub(crate) fn judge(&self, sql: &str, door: &str) -> usize {
        let Recorded {
            sent,
            sent_by_others,
            read,
        } = self.recorder.take_apart();
        for bytes in [&sent, &sent_by_others, &read] {
            assert_clean(bytes, sql, door);
            assert!(
                !contains(bytes, self.folder.path().to_str().unwrap()),
                "a path in the answer to {sql} ({door})"
            );
        }
        if read.is_empty() { sent.len() } else { read.len() }
    }
}
