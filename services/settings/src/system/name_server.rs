//! Whether a name server answers: asked for the root's own servers, which each knows or refuses to say (RFC 1035, section 4.1). Any
//! answer is one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

/// Each time it is asked; a request or its answer may be lost.
const PATIENCE: Duration = Duration::from_secs(2);
const TRIES: u16 = 2;
/// Where name servers listen.
const PORT: u16 = 53;

/// Fails if it does not answer; the error says why.
pub async fn ask(server: IpAddr) -> std::io::Result<()> {
    ask_at(SocketAddr::new(server, PORT)).await
}

async fn ask_at(server: SocketAddr) -> std::io::Result<()> {
    let here =
        if server.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((here, 0)).await?;
    // Only its answers come through then, and a refusal of its host is seen.
    socket.connect(server).await?;
    for id in 1..=TRIES {
        socket.send(&question(id)).await?;
        match tokio::time::timeout(PATIENCE, answer(&socket)).await {
            Ok(answered) => return answered,
            Err(_) => tracing::debug!("{server} did not answer"),
        }
    }
    let seconds = PATIENCE.as_secs() * u64::from(TRIES);
    Err(std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer within {seconds} s")))
}

async fn answer(socket: &UdpSocket) -> std::io::Result<()> {
    let mut buffer = [0; 512];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if is_answer(&buffer[..length]) {
            return Ok(());
        }
    }
}

/// Type NS, class IN, of the root; recursion desired.
fn question(id: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend([0, 0, 2, 0, 1]);
    message
}

/// A header with the bit QR, to one of our questions.
fn is_answer(message: &[u8]) -> bool {
    message.len() >= 12
        && (1..=TRIES).contains(&u16::from_be_bytes([message[0], message[1]]))
        && message[2] & 0x80 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn server() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    #[tokio::test]
    async fn even_a_refusal_is_an_answer() {
        let (socket, address) = server().await;
        let served = tokio::spawn(async move {
            let mut buffer = [0; 512];
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            assert_eq!(buffer[..length], question(1));
            // An echo is none: it lacks QR. 5 is "refused".
            socket.send_to(&buffer[..length], from).await.unwrap();
            (buffer[2], buffer[3]) = (0x81, 5);
            socket.send_to(&buffer[..length], from).await.unwrap();
        });
        ask_at(address).await.unwrap();
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_none() {
        let (_socket, address) = server().await;
        assert_eq!(ask_at(address).await.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    }
}
