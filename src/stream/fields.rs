//! Numbers and byte strings, one after the other: how bodies of messages are written and read. Numbers are big-endian.

/// A body that is not of its kind's shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {0} in a message of the stream, found its end or other bytes")]
pub struct BadBody(pub &'static str);

/// Reads fields from the beginning of a body.
#[derive(Debug)]
pub(super) struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    pub(super) fn of(body: &'b [u8]) -> Fields<'b> {
        Fields(body)
    }

    /// The next `N` bytes; `what` names them in an error.
    pub(super) fn chunk<const N: usize>(&mut self, what: &'static str) -> Result<&'b [u8; N], BadBody> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(BadBody(what))?;
        self.0 = rest;
        Ok(first)
    }

    /// A copy of the next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], BadBody> {
        self.chunk(what).copied()
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, BadBody> {
        self.array(what).map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, BadBody> {
        self.array(what).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, BadBody> {
        self.array(what).map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, BadBody> {
        self.array(what).map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self, what: &'static str) -> Result<i64, BadBody> {
        self.array(what).map(i64::from_be_bytes)
    }

    /// The next `len` bytes.
    pub(super) fn bytes(&mut self, len: usize, what: &'static str) -> Result<&'b [u8], BadBody> {
        let (first, rest) = self.0.split_at_checked(len).ok_or(BadBody(what))?;
        self.0 = rest;
        Ok(first)
    }

    /// A byte string behind its length of four bytes.
    pub(super) fn long(&mut self, what: &'static str) -> Result<&'b [u8], BadBody> {
        let len = self.u32(what)?;
        self.bytes(len as usize, what)
    }

    /// A text of at most 255 bytes behind its length.
    pub(super) fn short_text(&mut self, what: &'static str) -> Result<&'b str, BadBody> {
        let len = self.u8(what)?;
        std::str::from_utf8(self.bytes(len.into(), what)?).map_err(|_| BadBody(what))
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes that were not read.
    pub(super) fn rest(self) -> &'b [u8] {
        self.0
    }

    /// Checks that nothing is left.
    pub(super) fn end(self) -> Result<(), BadBody> {
        if self.0.is_empty() { Ok(()) } else { Err(BadBody("the end of the body")) }
    }
}

/// Writes a byte string behind its length of four bytes.
///
/// # Panics
/// At 4 GiB. The largest field is the data of an event, 8 MiB.
pub(super) fn put_long(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).expect("a field is shorter than 4 GiB");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Writes a text of at most 255 bytes behind its length.
///
/// # Panics
/// At a longer text. Names of nodes and their URLs have limits.
pub(super) fn put_short_text(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.len()).expect("names and URLs have at most 255 bytes"));
    out.extend_from_slice(text.as_bytes());
}
