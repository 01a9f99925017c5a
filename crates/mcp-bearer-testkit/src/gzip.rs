//! gzip bodies (RFC 1952): a good one, and one that inflates a thousandfold.

use std::io::Write as _;
use std::sync::OnceLock;

use flate2::write::GzEncoder;
use flate2::{Compress, Compression, Crc, FlushCompress};

use crate::behaviour::GZIP_BOMB_BYTES;

/// The bytes, compressed.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("a Vec takes every byte");
    encoder.finish().expect("a Vec takes every byte")
}

/// [`GZIP_BOMB_BYTES`] spaces in one gzip member, made once per process. The inflated bomb is never
/// held in memory.
///
/// One MiB is compressed and flushed in full, which leaves a piece that depends on nothing before
/// it; the piece is then repeated.
pub(crate) fn bomb() -> &'static [u8] {
    const PIECE: usize = 1 << 20;
    static BOMB: OnceLock<Vec<u8>> = OnceLock::new();
    BOMB.get_or_init(|| {
        let spaces = vec![b' '; PIECE];
        let mut piece = Vec::with_capacity(64 << 10);
        Compress::new(Compression::best(), false)
            .compress_vec(&spaces, &mut piece, FlushCompress::Full)
            .expect("spaces compress");
        let mut piece_crc = Crc::new();
        piece_crc.update(&spaces);

        // Deflate, no flags, no time, unknown operating system.
        let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        let mut crc = Crc::new();
        for _ in 0..GZIP_BOMB_BYTES / PIECE {
            out.extend_from_slice(&piece);
            crc.combine(&piece_crc);
        }
        out.extend_from_slice(&[3, 0]); // the last block: fixed codes, empty
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&crc.amount().to_le_bytes());
        out
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn gzip_reads_back() {
        let mut text = String::new();
        GzDecoder::new(&gzip(b"{\"keys\":[]}")[..])
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "{\"keys\":[]}");
    }

    #[test]
    fn the_bomb_is_small_and_inflates_whole() {
        assert!(bomb().len() < 400 << 10, "{} bytes", bomb().len());
        let mut decoder = GzDecoder::new(bomb());
        let mut buffer = vec![0; 1 << 20];
        let mut total = 0;
        loop {
            // The decoder checks length and checksum at the end.
            let read = decoder.read(&mut buffer).unwrap();
            if read == 0 {
                break;
            }
            total += read;
        }
        assert_eq!(total, GZIP_BOMB_BYTES);
    }
}
