use super::*;

fn client(console: &Console) -> UnixStream {
    let stream = std::os::unix::net::UnixStream::from(console.connect().unwrap());
    stream.set_nonblocking(true).unwrap();
    UnixStream::from_std(stream).unwrap()
}

async fn read(stream: &mut UnixStream, count: usize) -> String {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn every_client_sees_what_was_before_and_what_comes() {
    let (mut guest, socket) = UnixStream::pair().unwrap();
    let console = Console::serve(socket);
    let mut first = client(&console);
    guest.write_all(b"login: ").await.unwrap();
    assert_eq!(read(&mut first, 7).await, "login: ");
    let mut second = client(&console);
    guest.write_all(b"welcome").await.unwrap();
    assert_eq!(read(&mut second, 14).await, "login: welcome");
    assert_eq!(read(&mut first, 7).await, "welcome");
}

#[tokio::test]
async fn what_a_client_types_reaches_the_guest() {
    let (mut guest, socket) = UnixStream::pair().unwrap();
    let console = Console::serve(socket);
    let mut typist = client(&console);
    typist.write_all(b"root\n").await.unwrap();
    assert_eq!(read(&mut guest, 5).await, "root\n");
}

#[tokio::test]
async fn only_the_last_64_kib_are_kept() {
    let (mut guest, socket) = UnixStream::pair().unwrap();
    let console = Console::serve(socket);
    let mut watcher = client(&console);
    let piece = [b'x'; 4096];
    for _ in 0..20 {
        guest.write_all(&piece).await.unwrap();
        read(&mut watcher, piece.len()).await;
    }
    guest.write_all(b"end").await.unwrap();
    read(&mut watcher, 3).await;
    drop(guest);
    assert_eq!(watcher.read(&mut [0; 1]).await.unwrap(), 0, "the console's end is the clients' end");
    let mut late = client(&console);
    let mut all = Vec::new();
    late.read_to_end(&mut all).await.unwrap();
    assert_eq!(all.len(), KEPT);
    assert!(all.ends_with(b"xend"));
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_nobody_up() {
    let (mut guest, socket) = UnixStream::pair().unwrap();
    let console = Console::serve(socket);
    let _sleeper = console.connect().unwrap();
    let mut watcher = client(&console);
    let piece = [b'x'; 4096];
    for _ in 0..2000 {
        guest.write_all(&piece).await.unwrap();
        read(&mut watcher, piece.len()).await;
    }
    assert_eq!(lock(&console.log).clients.len(), 1, "the sleeper should have been cut off");
}

#[tokio::test]
async fn the_last_lines_carry_no_control_characters() {
    let (mut guest, socket) = UnixStream::pair().unwrap();
    let console = Console::serve(socket);
    guest.write_all(b"one\r\n\x1b[31mtwo\r\n\r\nthree").await.unwrap();
    let mut watcher = client(&console);
    read(&mut watcher, 22).await;
    assert_eq!(console.last_lines(2), "[31mtwo; three");
}
