//! A server at 127.0.0.1 that wants to see the certificate of whoever comes (RFC 8705): what it answers
//! is up to the test.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// Who signs the server's certificate and the client's: to be trusted by whoever comes here.
pub(crate) const AUTHORITY: &str = include_str!("../../src/oauth/tests/certificates/authority.pem");
/// A client whose certificate the authority signed, and its key.
pub(crate) const CLIENT: &str = include_str!("../../src/oauth/tests/certificates/client.pem");
/// A client that signed its own, and its key.
pub(crate) const STRANGER: &str = include_str!("../../src/oauth/tests/certificates/stranger.pem");
const SERVER: &str = include_str!("../../src/oauth/tests/certificates/server.pem");

/// How long a client may say nothing.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than any request has.
const REQUEST_MAX: usize = 64 * 1024;

/// What came on a connection that was made.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The client's own certificate, in DER.
    pub(crate) certificate: Vec<u8>,
    /// The request, head and body.
    pub(crate) request: String,
}

/// A server, until it is dropped.
pub(crate) struct TlsServer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TlsServer {
    /// One that lets clients in whose certificates one of these signed, in PEM, and answers as said.
    pub(crate) fn start(
        trusted: &[&str],
        answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let config = Arc::new(config(trusted));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let ends = Arc::new(AtomicBool::new(false));
        let (record, over, answer) = (Arc::clone(&seen), Arc::clone(&ends), Arc::new(answer));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (config, record, answer) =
                    (Arc::clone(&config), Arc::clone(&record), Arc::clone(&answer));
                std::thread::spawn(move || {
                    // a client that is not let in goes without a word
                    let _ = serve(stream, &config, &record, &*answer);
                });
            }
        });
        Self { address, seen, ends, thread: Some(thread) }
    }

    /// `https://127.0.0.1:PORT`.
    pub(crate) fn base(&self) -> String {
        format!("https://{}", self.address)
    }

    /// What those brought who were let in, in the order in which they came.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test failed with it").clone()
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // so that it looks
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The client's own certificate in a text that may hold more, in DER.
pub(crate) fn certificate(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate").to_vec()
}

fn config(trusted: &[&str]) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for pem in trusted {
        roots.add(certificate(pem).into()).expect("a root");
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider)).build();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.expect("a verifier"))
        .with_single_cert(
            vec![certificate(SERVER).into()],
            PrivateKeyDer::from_pem_slice(SERVER.as_bytes()).expect("a key"),
        )
        .expect("the two belong together")
}

fn serve(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
    seen: &Mutex<Vec<Seen>>,
    answer: &dyn Fn(&Seen) -> Vec<u8>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, stream);
    let request = read_request(&mut stream)?;
    let shown = stream.conn.peer_certificates().and_then(<[_]>::first);
    let certificate = shown.map(|shown| shown.to_vec()).unwrap_or_default();
    let here = Seen { certificate, request };
    let text = answer(&here);
    seen.lock().expect("no test failed with it").push(here);
    stream.write_all(&text)?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// Reads a request, head and body.
fn read_request(stream: &mut impl Read) -> io::Result<String> {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return Ok(text);
            }
        }
        let count = stream.read(&mut chunk)?;
        if count == 0 || request.len() > REQUEST_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&chunk[..count]);
    }
}

/// Hands a request on to a server without TLS, as a proxy does: with the certificate in a header. Gives
/// what that answers.
pub(crate) fn forward(address: &str, seen: &Seen) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // so that its answer has an end
    let shown = data_encoding::BASE64.encode(&seen.certificate);
    let more = format!("\r\nConnection: close\r\nX-Client-Certificate: {shown}\r\n");
    stream.write_all(seen.request.replacen("\r\n", &more, 1).as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
