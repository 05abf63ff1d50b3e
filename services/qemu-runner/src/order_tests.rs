use std::io::{Read, Seek};

use super::*;

fn order(numbers: Vec<RawFd>) -> Order {
    Order { program: "/bin/true".to_owned(), arguments: vec!["-a".to_owned(), "b,c".to_owned()], numbers }
}

#[test]
fn an_order_arrives_with_the_very_files_that_were_sent() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"contents").unwrap();
    order(vec![20]).send(&ours, &[file.as_fd()]).unwrap();
    let (received, fds) = Order::receive(theirs.as_fd()).unwrap();
    assert_eq!(received, order(vec![20]));
    let mut copy = std::fs::File::from(fds.into_iter().next().unwrap());
    copy.rewind().unwrap();
    let mut text = String::new();
    copy.read_to_string(&mut text).unwrap();
    assert_eq!(text, "contents");
}

#[test]
fn an_order_longer_than_one_read_arrives_whole() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut long = order(vec![]);
    long.arguments = (0..5000).map(|n| format!("argument {n}")).collect();
    let sent = long.clone();
    let sender = std::thread::spawn(move || sent.send(&ours, &[]).unwrap());
    assert_eq!(Order::receive(theirs.as_fd()).unwrap().0, long);
    sender.join().unwrap();
}

#[test]
fn an_order_cut_short_is_refused() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.write_all(&100u32.to_le_bytes()).unwrap();
    ours.write_all(b"{\"program\"").unwrap();
    drop(ours);
    let error = Order::receive(theirs.as_fd()).unwrap_err();
    assert!(error.to_string().contains("ended after 14 of 104"), "{error}");
}

#[test]
fn an_order_that_announces_gigabytes_is_refused() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.write_all(&u32::MAX.to_le_bytes()).unwrap();
    assert!(Order::receive(theirs.as_fd()).is_err());
}

#[test]
fn missing_descriptors_are_noticed() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let body = serde_json::to_vec(&order(vec![20])).unwrap();
    ours.write_all(&(body.len() as u32).to_le_bytes()).unwrap();
    ours.write_all(&body).unwrap();
    let error = Order::receive(theirs.as_fd()).unwrap_err();
    assert!(error.to_string().contains("0 descriptors came where the order names 1"), "{error}");
}

#[test]
fn two_descriptors_cannot_share_a_number_nor_replace_the_input() {
    for numbers in [vec![20, 20], vec![0, 20], vec![-1, 20], vec![20, 5000]] {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        order(numbers.clone()).send(&ours, &[file.as_fd(), file.as_fd()]).unwrap();
        assert!(Order::receive(theirs.as_fd()).is_err(), "{numbers:?} was taken");
    }
}
