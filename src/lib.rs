//! ostler keeps OAuth tokens fresh for the programs of one user: ssh-agent for OAuth.
//!
//! This page is the architecture. The crate is a library and two thin binaries: `ostlerd`, the daemon
//! ([`daemon::main`]), and `ostler`, the command line ([`cli::main`]), a client of the daemon's socket.
//!
//! # Words
//!
//! | word | means |
//! |---|---|
//! | provider | an authorization server and its dialect, as data |
//! | client | a registration at a provider: id, secret, redirect |
//! | account | what a user signed in to, under a short name: one provider, one client, one grant |
//! | grant | what a token endpoint gave: refresh token, access token, scopes, expiry; numbered by generation |
//! | flight | one exchange with a token endpoint. Owned by the engine, never by a caller |
//! | caller | the local process that asks, and what it is known by: its sandbox, unit, application, file or terminal |
//! | face | a surface that callers reach: the socket, D-Bus |
//! | sign-in | an interactive login under way: an object that can be awaited, fed with the redirect, cancelled |
//!
//! # The one natural way
//!
//! ```text
//!            asks                    events                     effects
//! shell -+                                                 +-> oauth   (flight: spawned, owned by the engine)
//! app   -+-> face --Handle--> engine mailbox -> lifecycle -+-> store   (one thread, ordered commits)
//! D-Bus -+      <--oneshot--      (one task)    (pure)     +-> answer  (oneshot to the waiter)
//!                                     ^                             |
//!                                     +---- flight/store results, alarm, signals, reload <--+
//! ```
//!
//! Words go down, effects come out, results return as events. There is no second path: not for the
//! schedule (the alarm is an event), not for a reload (an event), not for the command line (a client of
//! the socket). No lock is held across an await; there is hardly any lock.
//!
//! # The house
//!
//! | floor | room | does | uses |
//! |---|---|---|---|
//! | 5 | [`daemon`] | assembly, readiness, drain | all below but [`cli`] |
//! | 5 | [`cli`] | commands; a blocking client of the socket | [`api`], [`model`] |
//! | 4 | [`face`] | the sockets (Varlink) and D-Bus | [`api`], [`engine::Handle`], [`sys`], [`model`] |
//! | 3 | [`engine`] | the one task: effects become work | [`lifecycle`], [`oauth`], [`store`], [`sys`], [`api`], [`provider`], [`model`], [`crash`] |
//! | 2 | [`oauth`] | the protocol: build, send, read | [`provider`], [`model`], [`crash`] |
//! | 2 | [`store`] | the SQLite thread, migrations, sealing, key slots | [`model`], [`crash`] |
//! | 2 | [`sys`] | clocks, alarm, signals, sockets, networks, lock, log | [`model`] |
//! | 2 | [`host`] | what the system bus tells: sleep, wake, shutdown, networks | |
//! | 2 | [`config`] | settings | |
//! | 1 | [`lifecycle`] | the pure heart: states, schedule, failures | [`model`] |
//! | 1 | [`api`] | requests, answers, faults, and their wire forms | [`model`] |
//! | 1 | [`provider`] | what a provider is; presets as data | [`model`] |
//! | 0 | [`model`] | words: names, secrets, time, records | |
//! | 0 | [`crash`] | points at which a debug build ends itself on order | |
//!
//! A floor uses floors below it, never one beside or above; `tests/layers.rs` holds that table, and
//! that only the named room knows reqwest, rusqlite, zbus or a clock. A room's `mod.rs` is its door.
//!
//! # A refresh, start to end
//!
//! 1. The alarm rings, or a caller asks for more life than the cached token has. The lifecycle says
//!    [`Begin`](lifecycle::Effect::Begin): the store writes an attempt (who, which generation, when) and
//!    gives the opened refresh token back once that is durable. Refresh tokens are in memory only from
//!    here to the end of the flight.
//! 2. [`Launch`](lifecycle::Effect::Launch): a task sends one request on a fresh connection. No redirect
//!    is followed and nothing is retried below the lifecycle: with a rotating token, a second copy of
//!    the same request is a double spend.
//! 3. The raw answer goes to the store, sealed, before anybody reads it.
//! 4. It is read tolerantly and classified. Only a recognised OAuth error code, or a server that does not take
//!    the client's certificate, can mean more than "trouble that passes"; only `invalid_grant` and its likes can ask for a login.
//! 5. [`Save`](lifecycle::Effect::Save): tokens and the end of the attempt, in one commit. The store numbers the
//!    generation, and says whether another login was in force already. What the disk does not take is given to it
//!    again and again; the token that it replaces is spent, and is not sent meanwhile.
//! 6. Callers are answered, watchers told.
//!
//! Between 1 and 2 lies the traffic: each origin lets out so many flights at a time and so many a second, and a token
//! endpoint where several accounts in a row found nobody is shut, but for one account at a time that probes it. What an
//! answer says about its account ([`model::About`]) shuts nothing: a dead login must not block a healthy one.
//!
//! A crash before 1 is done changed nothing; between 1 and 3 it leaves an attempt of unknown fate, and
//! the same token is sent again at once at the next start, before the account is served; after 3 the
//! answer on record is read at the next start. A flight whose answer is lost without a crash takes the
//! same way: its attempt stays on record until the next one is.
//!
//! # A login, start to end
//!
//! What the ways in have in common is an exchange: a flight like a refresh, whose attempt carries the account
//! that it is to make. What goes before it differs ([`api::Flow`]): the browser comes back with a code; the
//! provider is asked again and again whether the user has typed one in on another device, each time by a
//! flight of its own; the client has a secret or a key and needs nobody; a refresh token is there already.
//! The client shows who it is in each of its requests: by a secret, by a signature, or by a certificate on the
//! connection, for which the aliases of the endpoints are there (RFC 8705). Where that has to be known before
//! the user is shown anything, what is on disk of it is opened for that.
//! Grants without a refresh token that the client can renew by itself ([`model::GrantType`]) are refreshed
//! by the same schedule. A sign-in on another device is on disk, and goes on after a restart.
//!
//! # A logout, start to end
//!
//! Flights that touch the account land. Then one commit erases it and makes an errand of what its provider has to
//! be told: tokens to be revoked, a client of its own to be unregistered. The errand is run at once with what the
//! erasing gave, and whoever logged out is answered. Where that fails in a way that passes it waits in the
//! lifecycle, with growing pauses, for the network and for the next start, and each further try reads its
//! secrets from the disk. It ends when it is done, when the tokens are over, after a week, or when another login
//! takes the place, which many providers would revoke along. A stop does not wait for it.
//!
//! # A client's own registration
//!
//! Where nobody has a client, a login registers one, and its definition is pinned: a registration belongs to the
//! server that made it. If its secret ends, the lifecycle has it renewed in time: the store gives by what it is
//! managed, the provider is asked, what it returned is durable, and only then is it used. Stop and sleep wait for that
//! as for a flight. Flights that the provider refused in between are tried again. In the same way a login has its client
//! registered for scopes or a redirect that it lacks, before anything of it is shown. A client that registered itself
//! for a login that comes to nothing is unregistered.
//!
//! A client that the user has published a document about (OAuth Client ID Metadata Document) needs none of that: its
//! id is the document's address, it goes before one that registers itself, and it never has a secret.
//!
//! # Less than a login, and more
//!
//! A question may be for a part of a login ([`model::Portion`]): some scopes, some of its APIs. Such a token has a
//! flight of its own, a refresh that asks for less or an exchange of the login's token where the provider has that;
//! its grant is durable like any other, and it is kept in memory beside the login's own. Of a program that the
//! rules allow some scopes only, a question for those is for that part. The other way round, a question may bring
//! what an API said that refused a token ([`model::Lack`]): what no refresh can cure is remembered until the next
//! login, which asks for it.
//!
//! # Tokens bound to a key
//!
//! Where tokens are bound to a key (RFC 9449), the login makes one ([`oauth::Prover`]). It is sealed with the
//! attempt, then with the grant, and is in memory like access tokens. [`oauth::Http`] proves each request when it
//! is sent, and asks once more if the server has a nonce first. A program's proof
//! ([`SignProof`](api::Request::SignProof)) is a question for a token like any other, whose answer the engine
//! signs for.
//!
//! # Time
//!
//! Deadlines live on `CLOCK_BOOTTIME`, which counts suspend and never jumps. Wall time is shown, and
//! carries ages across a reboot. [`sys::clock`] alone reads clocks; everybody else is given
//! [`model::Now`].
//!
//! The machine's own news are events, too, and hints: they hold a try up for a bounded time or bring one
//! forward, and nothing depends on them. [`host`] hears on the system bus that the machine is about to
//! sleep (logind): then nothing leaves any more, and the delay inhibitor that has been held all along is
//! let go as soon as nothing is under way. After the wake the network has 5 s to come up. `sys::network`
//! hears of addresses and routes from the kernel (rtnetlink), whoever configures them: that ends
//! back-offs early, but no pause that a provider asked for. `sys::wall` notices that the wall clock was
//! set: then what it had placed on the boot clock is placed anew.
//!
//! # Callers
//!
//! Only the user's own processes are served. What a process is known by ([`model::Identity`]) is found out
//! when it connects, from its pidfd and `/proc` ([`sys::peer`]), never from what it says. A sandbox's word
//! counts ("verified"); everything else can be brought about by any program of the user ("claimed"), and is
//! shown as that. Whom the engine gives a token it notes, and writes down once a minute.
//!
//! Whether a program gets a token is decided where tokens are, in the lifecycle: by the user's rules, which
//! are in the database, or else by the tier. What the user has to decide becomes a question there, with a
//! deadline like everything else; the engine hands it to whoever can put it ([`engine::Prompts`]: D-Bus,
//! which asks a registered agent or the notification server), and takes it back when it is settled
//! elsewhere. A program that is in a sandbox, or may be, is refused everything but tokens before its
//! request is looked at.
//!
//! # Lists
//!
//! What is shown of accounts is kept beside the lifecycle, in a map by name whose copy costs one pointer
//! (`engine::roster`): each event says which accounts may look different, and those alone are looked at. The answer
//! to a question for a list is such a copy ([`api::Accounts`]). It is turned into words by the face that asked, a
//! piece at a time, and so is what else there is to say of every account: who was given its tokens, how the doctor
//! finds it, whether a program in a sandbox may know of it. Instants in it are on the boot clock, so that a list is
//! right by the wall clock of the moment at which it was asked for.
//!
//! # At rest
//!
//! SQLite in WAL mode with `synchronous=FULL`: a commit that returned is on disk. Names, scopes,
//! expiries and states are clear; every secret is sealed under a data key, with the identity of its row
//! as associated data; the data key is wrapped by key slots in another directory.
//!
//! A start reads what there is and serves. Beside that the store's thread looks at each page, before it takes up its
//! first command; no flight leaves until it has said that all is sound ([`Checked`](lifecycle::Event::Checked)). If
//! it is not, nothing is written, and every request gets that fault.
//!
//! Beside the key slots lie marks of how often each account's refresh token was replaced, with a copy in the cache
//! directory: a database below its marks is an older copy, and what it would send is spent. Its accounts
//! need a login then, or the user's word to be tried all the same ([`Resume`](api::Request::Resume)). A
//! copy older than both marks, such as a snapshot of a whole home, cannot be told.
//!
//! No flight begins unless a file of 4 MiB takes its blocks beside the database; a commit of what came
//! back that fails to be written is given them. What an earlier run left in the log is written anew first:
//! a sync that failed leaves it in the kernel's memory, and no later sync would write it.

pub mod api;
pub mod cli;
pub mod config;
pub mod crash;
pub mod daemon;
pub mod engine;
pub mod face;
pub mod host;
pub mod lifecycle;
pub mod model;
pub mod oauth;
pub mod provider;
pub mod store;
pub mod sys;
