//! The one thing wanted of the crate `futures-util`, which a program of your own will have anyway.

use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream;

/// The next item of a stream; `None` at its end.
pub(crate) async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}
