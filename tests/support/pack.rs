//! Makes bodies packed (RFC 9110, 8.4.1). The crate's own tests include this file, too.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

/// RFC 1952.
pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

/// RFC 1950: what deflate means.
pub(crate) fn zlib(plain: &[u8]) -> Vec<u8> {
    zlib_at(9, plain)
}

/// The same, at a level of compression from 0 to 9.
pub(crate) fn zlib_at(level: u32, plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(plain).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

/// RFC 1951: deflate as some send it, without the zlib format.
pub(crate) fn deflate(plain: &[u8]) -> Vec<u8> {
    deflate_at(9, plain)
}

/// The same, at a level of compression from 0 to 9.
pub(crate) fn deflate_at(level: u32, plain: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(plain).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}
