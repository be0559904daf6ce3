//! `org.freedesktop.LogControl1`, so that `systemctl --user service-log-level ostler debug` works
//! (`org.freedesktop.LogControl1(5)`).

use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use zbus::message::Header;
use zbus::{Connection, fdo, interface};

use super::context::Context;
use super::refusal::{Refusal, invalid};
use crate::api::{Fault, FaultKind};
use crate::engine::confined;
use crate::sys::log::{LogControl, LogTarget, SYSLOG_IDENTIFIER};

/// The log of this process, on the bus.
pub(super) struct LogObject {
    context: Arc<Context>,
    log: LogControl,
}

impl LogObject {
    pub(super) fn new(context: Arc<Context>, log: LogControl) -> Self {
        Self { context, log }
    }

    async fn admit(
        &self,
        connection: &Connection,
        header: Option<Header<'_>>,
    ) -> Result<(), Refusal> {
        let Some(header) = header else {
            return Err(Fault::new(FaultKind::Denied, "nobody asks").into());
        };
        let asker = self.context.callers.identify(connection, &header).await?;
        Ok(confined(&asker.caller)?)
    }
}

#[interface(name = "org.freedesktop.LogControl1", introspection_docs = false)]
#[expect(clippy::unused_self, reason = "a property is a method, also when its value is fixed")]
impl LogObject {
    #[zbus(property(emits_changed_signal = "false"))]
    fn log_level(&self) -> &'static str {
        syslog_name(self.log.level())
    }

    #[zbus(property)]
    async fn set_log_level(
        &self,
        level: &str,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refusal> {
        self.admit(connection, header).await?;
        let level = from_syslog_name(level).ok_or_else(|| invalid("not a syslog level"))?;
        let failed = |error| Fault::new(FaultKind::Internal, format!("{error}"));
        Ok(self.log.set_level(level).map_err(failed)?)
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn log_target(&self) -> &'static str {
        target_name(self.log.target())
    }

    /// The target is settled at start: a log cannot be led away from the journal.
    #[zbus(property)]
    fn set_log_target(&self, target: &str) -> fdo::Result<()> {
        if target == target_name(self.log.target()) {
            return Ok(());
        }
        Err(fdo::Error::NotSupported("the target is settled when the daemon starts".to_owned()))
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn syslog_identifier(&self) -> &'static str {
        SYSLOG_IDENTIFIER
    }
}

fn target_name(target: LogTarget) -> &'static str {
    match target {
        LogTarget::Journal => "journal",
        LogTarget::Console => "console",
    }
}

/// The level's name in syslog(3).
fn syslog_name(level: LevelFilter) -> &'static str {
    match level {
        LevelFilter::ERROR => "err",
        LevelFilter::WARN => "warning",
        LevelFilter::INFO => "info",
        LevelFilter::OFF => "emerg",
        _ => "debug",
    }
}

/// The nearest level of ours: there are eight in syslog(3).
fn from_syslog_name(name: &str) -> Option<LevelFilter> {
    Some(match name {
        "emerg" | "alert" | "crit" | "err" => LevelFilter::ERROR,
        "warning" => LevelFilter::WARN,
        "notice" | "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        _ => return None,
    })
}
