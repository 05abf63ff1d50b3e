//! The switch with threads in the place of machines.

use std::io::Write;
use std::time::{Duration, Instant};

use super::*;

fn frame(to: u8, from: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(14 + payload.len()).unwrap().to_be_bytes().to_vec();
    for address in [to, from] {
        frame.extend(if address == 0xff { [0xff; 6] } else { [0x52, 0x54, 0, 0, 0, address] });
    }
    frame.extend([0x08, 0x00]);
    frame.extend(payload);
    frame
}

fn receive(stream: &mut UnixStream, expected: &[u8]) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut got = vec![0; expected.len()];
    stream.read_exact(&mut got).expect("the frame arrives");
    assert_eq!(got, expected);
}

fn receive_nothing(stream: &mut UnixStream) {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let got = stream.read(&mut [0; 64]);
    assert!(got.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "{got:?}");
}

#[test]
fn frames_reach_all_until_the_receiver_is_known_and_then_only_it() {
    let hub = Arc::new(Hub::default());
    let [mut a, mut b, mut c] = ["a", "b", "c"].map(|name| hub.attach(name).unwrap());
    let hello = frame(0xff, 1, b"who has b?");
    a.write_all(&hello).unwrap();
    receive(&mut b, &hello);
    receive(&mut c, &hello);
    let answer = frame(1, 2, b"I have");
    b.write_all(&answer).unwrap();
    receive(&mut a, &answer);
    let direct = frame(2, 1, b"only for b");
    a.write_all(&direct).unwrap();
    receive(&mut b, &direct);
    receive_nothing(&mut c);
    assert_eq!(hub.traffic().frames, 3);
    assert_eq!(hub.traffic().bytes, 3 * 14 + 10 + 6 + 10);
}

#[test]
fn a_cut_cable_carries_nothing_either_way_until_it_is_restored() {
    let hub = Arc::new(Hub::default());
    let [mut a, mut b] = ["a", "b"].map(|name| hub.attach(name).unwrap());
    hub.set_cut("b", true).unwrap();
    a.write_all(&frame(0xff, 1, b"lost")).unwrap();
    receive_nothing(&mut b);
    b.write_all(&frame(0xff, 2, b"lost as well")).unwrap();
    receive_nothing(&mut a);
    assert_eq!(hub.traffic().dropped, 2);
    hub.set_cut("b", false).unwrap();
    let after = frame(0xff, 1, b"here again");
    a.write_all(&after).unwrap();
    receive(&mut b, &after);
}

#[test]
fn a_machine_that_takes_nothing_does_not_stall_the_others() {
    let hub = Arc::new(Hub::default());
    let [mut a, mut paused, mut c] = ["a", "paused", "c"].map(|name| hub.attach(name).unwrap());
    let reader = thread::spawn(move || {
        let last = frame(0xff, 1, &vec![9; 1400]);
        let mut stream = Vec::new();
        let mut chunk = vec![0; 1 << 16];
        while !stream.ends_with(&last) {
            let count = c.read(&mut chunk).unwrap();
            stream.extend_from_slice(&chunk[..count]);
        }
    });
    // Far more than the sockets hold.
    for _ in 0..3000 {
        a.write_all(&frame(0xff, 1, &vec![8; 1400])).unwrap();
    }
    a.write_all(&frame(0xff, 1, &vec![9; 1400])).unwrap();
    reader.join().unwrap();

    // The paused one wakes up to a stream that is still in step.
    paused.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 1 << 16];
    while let Ok(count) = paused.read(&mut chunk) {
        bytes.extend_from_slice(&chunk[..count]);
    }
    let after = frame(0xff, 1, b"after the pause");
    a.write_all(&after).unwrap();
    while !bytes.ends_with(&after) {
        paused.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let count = paused.read(&mut chunk).expect("the last frame arrives");
        bytes.extend_from_slice(&chunk[..count]);
    }
    let mut stream = bytes.as_slice();
    while next_run(&mut stream).expect("in step").is_some() {}
    assert!(stream.is_empty());
}

#[test]
fn a_machine_that_left_is_forgotten_but_its_cable_stays_cut() {
    let hub = Arc::new(Hub::default());
    let (a, mut b) = (hub.attach("a").unwrap(), hub.attach("b").unwrap());
    drop(a);
    let deadline = Instant::now() + Duration::from_secs(20);
    while hub.places().ports.len() > 1 {
        assert!(Instant::now() < deadline, "the port is still there");
        thread::yield_now();
    }
    hub.set_cut("a", true).unwrap();
    let mut a = hub.attach("a").unwrap();
    b.write_all(&frame(0xff, 2, b"is a back?")).unwrap();
    receive_nothing(&mut a);
    hub.set_cut("a", false).unwrap();
    b.write_all(&frame(0xff, 2, b"and now?")).unwrap();
    receive(&mut a, &frame(0xff, 2, b"and now?"));
}

/// iSCSI of whole disks goes over this switch; it must not be what a test waits for.
#[test]
fn the_switch_carries_hundreds_of_megabytes_a_second() {
    const TOTAL: usize = 512 << 20;
    let hub = Arc::new(Hub::default());
    let [mut a, mut b] = ["a", "b"].map(|name| hub.attach(name).unwrap());
    b.write_all(&frame(0xff, 2, b"here is b")).unwrap();
    receive(&mut a, &frame(0xff, 2, b"here is b"));
    let frames = frame(2, 1, &[7; 1500]).repeat(40);
    let rounds = TOTAL / frames.len();
    let all = rounds * frames.len();
    let started = Instant::now();
    let sender = thread::spawn(move || (0..rounds).for_each(|_| a.write_all(&frames).unwrap()));
    let mut chunk = vec![0; 1 << 18];
    let mut received = 0;
    while received < all {
        received += b.read(&mut chunk).unwrap();
    }
    sender.join().unwrap();
    let rate = all as f64 / started.elapsed().as_secs_f64() / 1e6;
    println!("{rate:.0} MB/s through the switch");
    assert_eq!(hub.traffic().dropped, 0);
}
