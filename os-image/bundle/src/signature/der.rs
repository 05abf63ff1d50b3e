//! As much of DER (X.690) as taking a structure apart needs.

/// What is left of the content of a constructed value.
pub(super) struct Reader<'a>(pub &'a [u8]);

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]`, constructed.
pub(super) const CONTEXT_0: u8 = 0xa0;

impl<'a> Reader<'a> {
    /// The next value with its tag and length, if it has this tag and its length is in the shortest form.
    pub fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (content, whole) = split(self.0, tag)?;
        self.0 = &self.0[whole..];
        Some(content)
    }

    /// Like [`Reader::value`], for a value made of others.
    pub fn inside(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.value(tag).map(Reader)
    }

    /// Like [`Reader::value`], with tag and length.
    pub fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        self.value(tag)?;
        Some(&before[..before.len() - self.0.len()])
    }

    /// Nothing may follow.
    pub fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Content of the first value, and bytes of the whole value.
fn split(bytes: &[u8], tag: u8) -> Option<(&[u8], usize)> {
    let [first, length, rest @ ..] = bytes else { return None };
    if *first != tag {
        return None;
    }
    let (length, header) = match *length {
        short @ 0..0x80 => (usize::from(short), 2),
        long => {
            let octets = rest.get(..usize::from(long & 0x7f)).filter(|octets| octets.len() <= 4)?;
            let length = octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
            let shortest = length >= 0x80 && octets.first() != Some(&0);
            (shortest.then_some(length)?, 2 + octets.len())
        }
    };
    Some((bytes.get(header..header + length)?, header + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_each_other() {
        let mut reader = Reader(&[0x30, 3, 2, 1, 7, 4, 0]);
        let mut inside = reader.inside(SEQUENCE).unwrap();
        assert_eq!(inside.whole(INTEGER), Some(&[2, 1, 7][..]));
        inside.end().unwrap();
        assert_eq!(reader.end(), None);
        assert_eq!(reader.value(INTEGER), None);
        assert_eq!(reader.value(OCTET_STRING), Some(&[][..]));
        reader.end().unwrap();
    }

    #[test]
    fn a_length_has_one_form_and_fits() {
        let long = [&[4, 0x81, 0x80][..], &[0; 0x80]].concat();
        assert_eq!(Reader(&long).value(OCTET_STRING).unwrap().len(), 0x80);
        for wrong in [
            &[4][..],
            &[4, 1],
            &[4, 0x80],
            &[4, 0x81, 1, 0],
            &[4, 0x82, 0, 0x80],
            &[4, 0x85, 1, 1, 1, 1, 1],
            &[4, 0xff],
        ] {
            assert_eq!(Reader(wrong).value(OCTET_STRING), None, "{wrong:x?}");
        }
    }
}
