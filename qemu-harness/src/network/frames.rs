//! Cuts QEMU's stream of frames into runs that go to the same receivers.

/// QEMU's NET_BUFSIZE: 64 KiB and a page.
pub(super) const LONGEST_FRAME: usize = 4096 + 65536;
/// Length field in front of each frame.
pub(super) const PREFIX: usize = 4;
/// Two addresses and a type: what every Ethernet frame has.
const HEADER: usize = 14;

/// Destination and source of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) to: [u8; 6],
    pub(super) from: [u8; 6],
}

impl Addresses {
    /// The lowest bit of the first byte marks multicast, of which broadcast is one.
    pub(super) fn to_many(self) -> bool {
        self.to[0] & 1 == 1
    }
}

/// Neighbouring frames with the same addresses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run<'a> {
    pub(super) addresses: Addresses,
    pub(super) frames: u64,
    /// The frames with their length fields, as they are to be sent on.
    pub(super) bytes: &'a [u8],
}

/// The stream is out of step: no frame is this long, or this short.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLength(pub(super) usize);

/// Takes the next run off the front of `stream`; `None` where no whole frame is left.
pub(super) fn next_run<'a>(stream: &mut &'a [u8]) -> Result<Option<Run<'a>>, BadLength> {
    let all = *stream;
    let Some((addresses, mut end)) = first_frame(all)? else { return Ok(None) };
    let mut frames = 1;
    // A bad frame behind good ones is met again, at the front, by the next call.
    while let Ok(Some((next, length))) = first_frame(&all[end..]) {
        if next != addresses {
            break;
        }
        frames += 1;
        end += length;
    }
    *stream = &all[end..];
    Ok(Some(Run { addresses, frames, bytes: &all[..end] }))
}

/// Addresses and whole length, with the length field, of the frame at the front.
fn first_frame(bytes: &[u8]) -> Result<Option<(Addresses, usize)>, BadLength> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() else { return Ok(None) };
    let length = u32::from_be_bytes(*prefix) as usize;
    if !(HEADER..=LONGEST_FRAME).contains(&length) {
        return Err(BadLength(length));
    }
    let (Some((to, after)), true) = (rest.split_first_chunk(), rest.len() >= length) else { return Ok(None) };
    let Some(from) = after.first_chunk() else { return Ok(None) };
    Ok(Some((Addresses { to: *to, from: *from }, PREFIX + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(to: u8, from: u8, payload: usize) -> Vec<u8> {
        let mut frame = u32::try_from(HEADER + payload).unwrap().to_be_bytes().to_vec();
        frame.extend([[to; 6], [from; 6]].concat());
        frame.resize(PREFIX + HEADER + payload, 0xab);
        frame
    }

    #[test]
    fn neighbours_to_the_same_receiver_go_together_and_a_part_stays() {
        let whole = [frame(2, 4, 100), frame(2, 4, 1500), frame(6, 4, 0)].concat();
        let mut bytes = whole.clone();
        bytes.extend(&frame(2, 4, 60)[..30]);
        let mut stream = bytes.as_slice();
        let first = next_run(&mut stream).unwrap().unwrap();
        assert_eq!((first.frames, first.addresses.to, first.bytes.len()), (2, [2; 6], 118 + 1518));
        let second = next_run(&mut stream).unwrap().unwrap();
        assert_eq!((second.frames, second.addresses.to), (1, [6; 6]));
        assert_eq!(next_run(&mut stream), Ok(None));
        assert_eq!(stream.len(), 30);
        assert_eq!([first.bytes, second.bytes].concat(), whole);
    }

    #[test]
    fn a_length_no_frame_has_is_noticed() {
        let mut good_then_bad = frame(2, 4, 10);
        good_then_bad.extend([0xff; 8]);
        let mut stream = good_then_bad.as_slice();
        assert_eq!(next_run(&mut stream).unwrap().unwrap().frames, 1);
        assert_eq!(next_run(&mut stream), Err(BadLength(0xffff_ffff)));
        assert_eq!(next_run(&mut &[0, 0, 0, 3, 1, 2, 3][..]), Err(BadLength(3)));
    }

    #[test]
    fn broadcast_and_multicast_go_to_many() {
        let to = |first| Addresses { to: [first, 0, 0, 0, 0, 0], from: [2; 6] };
        assert!(to(0xff).to_many() && to(0x01).to_many() && to(0x33).to_many());
        assert!(!to(0x52).to_many());
    }
}
