//! Connections that can be cut or written to behind HTTP's back: no HTTP server offers that, and
//! half of the faults are made of it.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// A second handle on the connection that a request came on.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: u64,
    socket: Arc<std::net::TcpStream>,
}

impl Line {
    /// Writes bytes past the HTTP server, which must not be writing an answer.
    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        TcpStream::from_std(self.socket.try_clone()?)?.write_all(bytes).await
    }

    /// Closes the connection, both ways, now. What the HTTP server writes later goes nowhere.
    pub(super) fn hang_up(&self) {
        // it fails only if the client has hung up first
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// A listener that keeps a [`Line`] for each connection.
#[derive(Debug)]
pub(super) struct Exchange {
    listener: TcpListener,
    accepted: u64,
}

impl Exchange {
    /// Listens on a free port of 127.0.0.1.
    pub(super) async fn open() -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok((Self { listener, accepted: 0 }, address))
    }

    async fn connect(&mut self) -> io::Result<(TcpStream, Line)> {
        let (stream, _) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        let socket = Arc::new(stream.try_clone()?);
        self.accepted += 1;
        Ok((TcpStream::from_std(stream)?, Line { number: self.accepted, socket }))
    }
}

impl Listener for Exchange {
    type Io = TcpStream;
    type Addr = Line;

    async fn accept(&mut self) -> (TcpStream, Line) {
        loop {
            // a client that has already gone is no reason to stop
            if let Ok(connection) = self.connect().await {
                return connection;
            }
            tokio::task::yield_now().await;
        }
    }

    fn local_addr(&self) -> io::Result<Line> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Connected<IncomingStream<'_, Exchange>> for Line {
    fn connect_info(stream: IncomingStream<'_, Exchange>) -> Self {
        stream.remote_addr().clone()
    }
}
