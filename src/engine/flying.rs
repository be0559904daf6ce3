//! What is known of a flight: of a request to a token endpoint, from the intent to the end of its grant.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::model::{
    AccessToken, AccountSeed, Boot, ClientSecret, RawAnswer, RefreshToken, RequestId, Scopes, Stamp,
};
use crate::oauth::{Prover, SentSecrets};
use crate::provider::Provider;
use crate::store::Credentials;

/// A flight that takes longer than this is given up, whatever its layers below think. The HTTP client has a shorter limit
/// of its own; this one holds if that should fail, and over a suspend, in which the clock of the layers below stands.
pub(super) const FLIGHT_MAX: Duration = Duration::from_secs(45);

/// How long a flight that is found to take too long may take yet: after a suspend its answer may have come and not be read.
const LAST_CHANCE: Duration = Duration::from_secs(2);

/// What the engine knows about a flight under way.
pub(super) struct Flying {
    pub(super) account: AccountSeed,
    /// The scopes that are asked for, if not all that were granted.
    pub(super) narrowed: Option<Scopes>,
    /// The token that is exchanged, if the refresh token is left alone.
    pub(super) subject: Option<Arc<AccessToken>>,
    pub(super) provider: Arc<Provider>,
    pub(super) sent: Stamp,
    /// For whose sign-in the code is redeemed, if it is not a refresh.
    pub(super) request: Option<RequestId>,
    /// Whether it is for a sign-in, of this run or an earlier one.
    pub(super) is_sign_in: bool,
    /// What the store gave for the request, until it is sent.
    pub(super) credentials: Option<Credentials>,
    /// The refresh token that was sent: an answer that repeats it brings none.
    pub(super) sent_refresh: Option<RefreshToken>,
    /// The key that its tokens are bound to, if they are.
    pub(super) key: Option<Arc<Prover>>,
    /// The client's secret, as long as the provider may be asked more.
    pub(super) secret: Option<ClientSecret>,
    /// What else was sent and must not show up in words. Not known of an earlier run's flight.
    pub(super) sent_secrets: Option<SentSecrets>,
    /// What came back, on its way to the disk.
    pub(super) answer: Option<Arc<RawAnswer>>,
    /// The request, while it is on its way.
    pub(super) air: Option<Air>,
}

impl Flying {
    /// A flight that is about to begin.
    pub(super) fn new(
        account: AccountSeed,
        provider: Arc<Provider>,
        sent: Stamp,
        key: Option<Arc<Prover>>,
    ) -> Self {
        Self {
            account,
            narrowed: None,
            subject: None,
            provider,
            sent,
            request: None,
            is_sign_in: false,
            credentials: None,
            sent_refresh: None,
            key,
            secret: None,
            sent_secrets: None,
            answer: None,
            air: None,
        }
    }

    /// A flight of an earlier run, of which the answer is on record.
    pub(super) fn resumed(
        account: AccountSeed,
        provider: Arc<Provider>,
        sent: Stamp,
        is_sign_in: bool,
        answer: RawAnswer,
    ) -> Self {
        let answer = Some(Arc::new(answer));
        Self { is_sign_in, answer, ..Self::new(account, provider, sent, None) }
    }
}

/// A request on its way.
pub(super) struct Air {
    task: AbortHandle,
    limit: Limit,
}

/// How long a request may be on its way.
#[derive(Debug, Clone, Copy)]
enum Limit {
    Ordinary(Boot),
    /// It took too long, and is given up if its answer is not there by then.
    Last(Boot),
}

impl Air {
    /// One that is sent now.
    pub(super) fn since(now: Boot, task: AbortHandle) -> Self {
        Self { task, limit: Limit::Ordinary(now + FLIGHT_MAX) }
    }

    /// When [`Self::is_over`] is to be asked next.
    pub(super) fn limit(&self) -> Boot {
        match self.limit {
            Limit::Ordinary(at) | Limit::Last(at) => at,
        }
    }

    /// Whether it has had its time and its last chance; then nothing comes of it any more.
    pub(super) fn is_over(&mut self, now: Boot) -> bool {
        match self.limit {
            Limit::Ordinary(at) if at <= now => {
                self.limit = Limit::Last(now + LAST_CHANCE);
                false
            }
            Limit::Last(at) if at <= now => {
                self.task.abort();
                true
            }
            Limit::Ordinary(_) | Limit::Last(_) => false,
        }
    }
}
