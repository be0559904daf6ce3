//! What the schedule has to know of a provider.

use std::time::Duration;

use url::Position;

use crate::lifecycle::{Origin, Rules, TokenEndpoint};
use crate::provider::{AtRefresh, Provider};

/// What the schedule needs to know of a provider.
pub(super) fn rules(provider: &Provider) -> Rules {
    let throttle =
        provider.max_refreshes.map(|max| Duration::from_secs(max.window) / max.count.max(1));
    let endpoint = provider.refresh_endpoint();
    Rules {
        endpoint: TokenEndpoint {
            origin: Origin(endpoint.origin().ascii_serialization()),
            path: endpoint[Position::BeforePath..Position::AfterQuery].to_owned(),
        },
        default_lifetime: provider.default_lifetime.map(Duration::from_secs),
        strict: provider.is_strict(),
        grace: provider.grace(),
        not_before: provider.refresh_not_before.map(Duration::from_secs),
        refresh_late: provider.at_dies_at_refresh == AtRefresh::Dies,
        narrows: provider.narrows(),
        exchanges: provider.token_exchange,
        throttle,
        refresh_lifetime: provider.rt_lifetime.map(Duration::from_secs),
        refresh_idle: provider.rt_idle.map(Duration::from_secs),
        grant_lifetime: provider.rt_absolute.map(Duration::from_secs),
        case_insensitive: provider.scopes.case_insensitive,
    }
}
