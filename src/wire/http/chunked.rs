//! Chunked bodies (RFC 9112, 7.1), decoded as they come. Extensions and trailer fields are skipped, and bounded.

use super::fault::Fault;
use crate::limits;

/// The decoder of one body; it keeps no bytes, only where it stands.
#[derive(Debug)]
pub struct ChunkedBody {
    place: Place,
    /// Bytes that the body may still have.
    room: usize,
    /// Bytes that extensions and trailer fields may still have.
    extra_room: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Size {
        size: usize,
        digits: u8,
    },
    /// After the size, where only spaces before a `;` are allowed.
    BeforeExtension {
        size: usize,
    },
    Extension {
        size: usize,
    },
    SizeLf {
        size: usize,
    },
    Data {
        left: usize,
    },
    DataCr,
    DataLf,
    /// At the start of a trailer field or of the empty line that ends it all.
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

/// Hex digits of a chunk size; more are an attempt at an overflow.
const SIZE_DIGITS: u8 = 16;

impl ChunkedBody {
    /// A decoder for a body of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let place = Place::Size { size: 0, digits: 0 };
        Self { place, room: limit, extra_room: limits::CHUNK_EXTRA_BYTES }
    }

    /// Whether the last chunk and the trailer have been read.
    pub fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// Takes what has arrived, appends the data in it to `body`, and tells how many bytes it used: all of them, unless
    /// the body ended before.
    pub fn feed(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<usize, Fault> {
        let mut used = 0;
        while used < input.len() && !self.is_done() {
            if let Place::Data { left } = self.place {
                let taken = left.min(input.len() - used);
                body.extend_from_slice(&input[used..used + taken]);
                used += taken;
                self.place = if taken == left { Place::DataCr } else { Place::Data { left: left - taken } };
            } else {
                self.place = self.after(input[used])?;
                used += 1;
            }
        }
        Ok(used)
    }

    /// The place after one byte of framing.
    fn after(&mut self, byte: u8) -> Result<Place, Fault> {
        match (self.place, byte) {
            (Place::Size { size, digits }, byte) => self.after_size(size, digits, byte),
            (Place::BeforeExtension { size }, b' ' | b'\t') => self.extra(Place::BeforeExtension { size }),
            (Place::BeforeExtension { size }, b';') => Ok(Place::Extension { size }),
            (Place::Extension { size }, b'\r') => Ok(Place::SizeLf { size }),
            (Place::Extension { size }, byte) if is_text(byte) => self.extra(Place::Extension { size }),
            (Place::SizeLf { size: 0 }, b'\n') => Ok(Place::TrailerStart),
            (Place::SizeLf { size }, b'\n') => {
                self.room = self.room.checked_sub(size).ok_or(Fault::BodyTooLarge)?;
                Ok(Place::Data { left: size })
            }
            (Place::DataCr, b'\r') => Ok(Place::DataLf),
            (Place::DataLf, b'\n') => Ok(Place::Size { size: 0, digits: 0 }),
            (Place::TrailerStart, b'\r') => Ok(Place::EndLf),
            (Place::TrailerStart, byte) if byte.is_ascii_graphic() => self.extra(Place::Trailer),
            (Place::Trailer, b'\r') => Ok(Place::TrailerLf),
            (Place::Trailer, byte) if is_text(byte) => self.extra(Place::Trailer),
            (Place::TrailerLf, b'\n') => Ok(Place::TrailerStart),
            (Place::EndLf, b'\n') => Ok(Place::Done),
            _ => Err(Fault::Chunk),
        }
    }

    fn after_size(&mut self, size: usize, digits: u8, byte: u8) -> Result<Place, Fault> {
        match (byte, char::from(byte).to_digit(16)) {
            (_, Some(digit)) if digits < SIZE_DIGITS => {
                // A size that overflows is past every limit.
                let size = size.checked_mul(16).and_then(|size| size.checked_add(digit as usize));
                match size.filter(|&size| size <= self.room) {
                    Some(size) => Ok(Place::Size { size, digits: digits + 1 }),
                    None => Err(Fault::BodyTooLarge),
                }
            }
            (b'\r', _) if digits > 0 => Ok(Place::SizeLf { size }),
            (b';', _) if digits > 0 => Ok(Place::Extension { size }),
            (b' ' | b'\t', _) if digits > 0 => self.extra(Place::BeforeExtension { size }),
            _ => Err(Fault::Chunk),
        }
    }

    fn extra(&mut self, next: Place) -> Result<Place, Fault> {
        self.extra_room = self.extra_room.checked_sub(1).ok_or(Fault::ChunkExtrasTooLarge)?;
        Ok(next)
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    fn decode(input: &[u8], limit: usize) -> Result<(Vec<u8>, usize, bool), Fault> {
        let (mut decoder, mut body) = (ChunkedBody::new(limit), Vec::new());
        let used = decoder.feed(input, &mut body)?;
        Ok((body, used, decoder.is_done()))
    }

    #[test]
    fn chunks_extensions_and_trailers_are_read_and_the_rest_is_left() {
        let input =
            b"4\r\nWiki\r\n0005 ;a=\"b\"\r\npedia\r\nA;x\r\n0123456789\r\n0;last\r\nX-T: 1\r\nY: 2\r\n\r\nGET /";
        let (body, used, done) = decode(input, 100).unwrap();
        assert_eq!((body.as_slice(), &input[used..], done), (&b"Wikipedia0123456789"[..], &b"GET /"[..], true));
    }

    #[test]
    fn a_limit_holds_for_the_sum_of_the_chunks() {
        assert_eq!(decode(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 5).unwrap().0, b"abcde");
        assert_eq!(decode(b"3\r\nabc\r\n3\r\n", 5), Err(Fault::BodyTooLarge));
        assert_eq!(decode(b"ffffffffffffffff\r\n", 5), Err(Fault::BodyTooLarge));
        assert_eq!(decode(b"00000000000000001\r\n", 5), Err(Fault::Chunk));
        let long = [b"1;".as_slice(), &[b'x'; limits::CHUNK_EXTRA_BYTES + 1]].concat();
        assert_eq!(decode(&long, 5), Err(Fault::ChunkExtrasTooLarge));
        let trailer = [b"0\r\n".as_slice(), &b"a: b\r\n".repeat(limits::CHUNK_EXTRA_BYTES / 4 + 1)].concat();
        assert_eq!(decode(&trailer, 5), Err(Fault::ChunkExtrasTooLarge));
    }

    #[test]
    fn what_two_readers_might_read_differently_is_refused() {
        for bad in [
            &b"\r\n"[..],
            b";x\r\n",
            b" 1\r\n",
            b"+1\r\n",
            b"-1\r\n",
            b"0x1\r\n",
            b"1\n",
            b"1\r\r",
            b"1 \r\n",
            b"1_0\r\n",
            b"1;a\nb\r\n",
            b"1;a\0\r\n",
            b"1\r\nab",
            b"1\r\na\n",
            b"1\r\na\r\r",
            b"0\r\n\n",
            b"0\r\n\r\r",
            b"0\r\n a: b\r\n",
            b"0\r\na: b\n",
            b"0\r\na: \0\r\n",
        ] {
            assert_eq!(decode(bad, 100), Err(Fault::Chunk), "{:?}", String::from_utf8_lossy(bad));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn cuts_anywhere_change_nothing(chunks in vec(vec(any::<u8>(), 1..20), 0..5), cut in 1_usize..9) {
            let mut input = Vec::new();
            for chunk in &chunks {
                input.extend_from_slice(format!("{:x};e\r\n", chunk.len()).as_bytes());
                input.extend_from_slice(chunk);
                input.extend_from_slice(b"\r\n");
            }
            input.extend_from_slice(b"0\r\nT: 1\r\n\r\n");
            let (mut decoder, mut body) = (ChunkedBody::new(1000), Vec::new());
            for piece in input.chunks(cut) {
                prop_assert_eq!(decoder.feed(piece, &mut body), Ok(piece.len()));
            }
            prop_assert_eq!((decoder.is_done(), body), (true, chunks.concat()));
        }
        #[test]
        fn no_bytes_panic_or_pass_the_limit(input in any::<Vec<u8>>()) {
            if let Ok((body, ..)) = decode(&input, 7) {
                assert!(body.len() <= 7);
            }
        }
    }
}
