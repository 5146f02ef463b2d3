//! What clients are told about settings, and which settings shape the values that they are sent.

use arrow_postgres::SessionFormat;
use engine::ClientSession;
use pgwire::messages::startup::ParameterStatus;

use crate::error::without_nul;
use crate::wire::WriteSide;

/// All that PostgreSQL reports at login.
pub(crate) fn report_all(writer: &mut WriteSide, session: &mut ClientSession) {
    // Whatever the start-up settings changed is part of the whole.
    session.take_reported_changes();
    report(writer, session.reported_settings());
}

/// What changed since it was last reported.
pub(crate) fn report_changes(writer: &mut WriteSide, session: &mut ClientSession) {
    report(writer, session.take_reported_changes());
}

fn report(writer: &mut WriteSide, settings: Vec<(String, String)>) {
    for (name, value) in settings {
        writer.put(&ParameterStatus::new(without_nul(&name), without_nul(&value)));
    }
}

/// The [`SessionFormat`] of a session, made anew only when a setting behind it changed.
#[derive(Debug, Default)]
pub(crate) struct FormatCache {
    settings: [Option<String>; 3],
    format: SessionFormat,
}

impl FormatCache {
    pub(crate) fn of(&mut self, session: &ClientSession) -> &SessionFormat {
        let settings = ["TimeZone", "extra_float_digits", "bytea_output"].map(|name| session.setting(name));
        if settings != self.settings {
            let [zone, digits, bytes] = &settings;
            let default = SessionFormat::default();
            self.format = SessionFormat {
                time_zone: zone
                    .as_deref()
                    .and_then(|zone| zone.parse().ok())
                    .unwrap_or(default.time_zone),
                extra_float_digits: digits
                    .as_deref()
                    .and_then(|digits| digits.parse().ok())
                    .unwrap_or(default.extra_float_digits),
                bytea_hex: bytes.as_deref() != Some("escape"),
            };
            self.settings = settings;
        }
        &self.format
    }
}
