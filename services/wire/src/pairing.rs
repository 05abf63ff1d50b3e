//! Pairing by a one-time code that authenticates both sides.
//!
//! The code is short enough to type. SPAKE2 (RFC 9382, over Ed25519 as the `spake2` crate does it) turns it into a
//! strong key without giving anyone who listens, or who sits in between, more than one guess a try; the box counts the
//! tries. The TLS connection underneath is not trusted: what matters (the agent's certificate request, the box's
//! certificate authority) is authenticated by HMAC-SHA256 under that key, in both directions.
//!
//! ```text
//! agent -> box   start   selector, SPAKE2 message A
//! box -> agent   started session, SPAKE2 message B
//! agent -> box   finish  session, certificate request, HMAC(key_agent, request)
//! box -> agent   done    machine, certificate, authority, HMAC(key_box, machine, certificate, authority)
//! ```
//! A code is `SSSS-CCCC-CCCC`: the selector says which code is meant and is no secret; the rest is.

use std::fmt;
use std::str::FromStr;

use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use spake2::{Ed25519Group, Identity, Password, Spake2};

use crate::MachineId;

/// Digits of a code: no I, L, O, U, so that none is mistaken for another (Crockford's base 32).
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const SELECTOR: usize = 4;
const SECRET: usize = 8;

/// A one-time pairing code: 20 bits that select it, 40 secret bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    selector: String,
    secret: String,
}

/// Why pairing did not succeed; the text is for the person who typed the code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairingError {
    /// Not a code at all.
    #[error(
        "{0:?} is not a pairing code: three groups of digits and letters like 7K4P-9QXM-2HTA are expected; read it again from the box"
    )]
    Malformed(String),
    /// The other side does not know the code.
    #[error(
        "the other side does not know this pairing code: it is mistyped, used up or expired, or something between the two machines pretends to be one of them; ask the box for a new code"
    )]
    NotTheSameCode,
}

impl Code {
    /// A new code from the system's random source.
    pub fn new() -> Self {
        let mut bytes = [0; SELECTOR + SECRET];
        getrandom::fill(&mut bytes).expect("the kernel's random source answers once the system has booted");
        let text: String = bytes.iter().map(|byte| DIGITS[usize::from(byte & 31)] as char).collect();
        let (selector, secret) = text.split_at(SELECTOR);
        Self { selector: selector.to_owned(), secret: secret.to_owned() }
    }

    /// The part that says which code is meant.
    pub fn selector(&self) -> &str {
        &self.selector
    }
}

impl Default for Code {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Code {
    /// The whole code with its secret, for the one place that shows it to a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.secret.split_at(SECRET / 2);
        write!(f, "{}-{first}-{second}", self.selector)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({}-…)", self.selector)
    }
}

impl FromStr for Code {
    type Err = PairingError;

    /// Accepts lower case, missing or additional dashes and blanks, and the usual misreadings (O for 0, I and L for 1).
    fn from_str(text: &str) -> Result<Self, PairingError> {
        let malformed = || PairingError::Malformed(text.to_owned());
        let digits: String = text
            .chars()
            .filter(|c| !matches!(c, '-' | ' '))
            .map(|c| match c.to_ascii_uppercase() {
                'O' => Ok('0'),
                'I' | 'L' => Ok('1'),
                c if c.is_ascii() && DIGITS.contains(&(c as u8)) => Ok(c),
                _ => Err(malformed()),
            })
            .collect::<Result<_, _>>()?;
        if digits.len() != SELECTOR + SECRET {
            return Err(malformed());
        }
        let (selector, secret) = digits.split_at(SELECTOR);
        Ok(Self { selector: selector.to_owned(), secret: secret.to_owned() })
    }
}

/// Body of `POST /agent/v1/pair/start`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start {
    /// [`crate::PROTOCOL`] of the agent.
    pub protocol: u32,
    /// [`Code::selector`].
    pub selector: String,
    /// SPAKE2 message A, base64.
    pub message: String,
}

/// Answer to [`Start`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Started {
    /// [`crate::PROTOCOL`] of the box.
    pub protocol: u32,
    /// Names this attempt in [`Finish`]; random.
    pub session: String,
    /// SPAKE2 message B, base64.
    pub message: String,
}

/// Body of `POST /agent/v1/pair/finish`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finish {
    /// From [`Started`].
    pub session: String,
    /// Host name, to greet the machine with until its first inventory.
    pub host_name: String,
    /// PKCS #10 certificate request, PEM (RFC 2986). Its subject is ignored.
    pub request: String,
    /// [`Keys::agent_proof`], base64.
    pub proof: String,
}

/// Answer to [`Finish`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finished {
    /// The machine's id on the box.
    pub machine: MachineId,
    /// The agent's client certificate, PEM.
    pub certificate: String,
    /// The box's certificate authority, PEM: from now on the agent speaks to nobody else.
    pub authority: String,
    /// [`Keys::box_proof`], base64.
    pub proof: String,
}

/// One side of a running SPAKE2 exchange.
pub struct Exchange(Spake2<Ed25519Group>);

impl Exchange {
    /// The agent's side; the bytes go into [`Start::message`].
    pub fn agent(code: &Code) -> (Self, Vec<u8>) {
        let (state, message) = Spake2::start_a(&password(code), &agent_identity(), &box_identity());
        (Self(state), message)
    }

    /// The box's side; the bytes go into [`Started::message`].
    pub fn appliance(code: &Code) -> (Self, Vec<u8>) {
        let (state, message) = Spake2::start_b(&password(code), &agent_identity(), &box_identity());
        (Self(state), message)
    }

    /// The keys both sides share if, and only if, they know the same code. A wrong code is not noticed here but at the
    /// first proof.
    pub fn finish(self, message: &[u8]) -> Result<Keys, PairingError> {
        let secret = self.0.finish(message).map_err(|_| PairingError::NotTheSameCode)?;
        let hkdf = Hkdf::<Sha256>::new(None, &secret);
        let derive = |label: &[u8]| {
            let mut key = [0; 32];
            hkdf.expand(label, &mut key).expect("32 bytes is a length HKDF-SHA256 can give");
            key
        };
        Ok(Keys {
            agent: derive(b"understudy pairing 1 agent"),
            appliance: derive(b"understudy pairing 1 box"),
        })
    }
}

/// What a finished exchange gives: one key for each direction.
pub struct Keys {
    agent: [u8; 32],
    appliance: [u8; 32],
}

impl Keys {
    /// Proves that the sender of this certificate request knows the code.
    pub fn agent_proof(&self, host_name: &str, request: &str) -> Vec<u8> {
        mac(&self.agent, &[host_name, request]).finalize().into_bytes().to_vec()
    }

    /// Checks [`Self::agent_proof`] in constant time.
    pub fn check_agent(&self, host_name: &str, request: &str, proof: &[u8]) -> Result<(), PairingError> {
        mac(&self.agent, &[host_name, request]).verify_slice(proof).map_err(|_| PairingError::NotTheSameCode)
    }

    /// Proves that the giver of this certificate and authority knows the code.
    pub fn box_proof(&self, machine: MachineId, certificate: &str, authority: &str) -> Vec<u8> {
        mac(&self.appliance, &[&machine.to_string(), certificate, authority]).finalize().into_bytes().to_vec()
    }

    /// Checks [`Self::box_proof`] in constant time.
    pub fn check_box(
        &self,
        machine: MachineId,
        certificate: &str,
        authority: &str,
        proof: &[u8],
    ) -> Result<(), PairingError> {
        mac(&self.appliance, &[&machine.to_string(), certificate, authority])
            .verify_slice(proof)
            .map_err(|_| PairingError::NotTheSameCode)
    }
}

fn password(code: &Code) -> Password {
    Password::new(format!("{}{}", code.selector, code.secret))
}

fn agent_identity() -> Identity {
    Identity::new(b"understudy agent")
}

fn box_identity() -> Identity {
    Identity::new(b"understudy box")
}

/// Each part is preceded by its length, so that no two lists of parts give the same bytes.
fn mac(key: &[u8; 32], parts: &[&str]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(agent: &Code, appliance: &Code) -> (Keys, Keys) {
        let (agent_side, to_box) = Exchange::agent(agent);
        let (box_side, to_agent) = Exchange::appliance(appliance);
        (agent_side.finish(&to_agent).unwrap(), box_side.finish(&to_box).unwrap())
    }

    #[test]
    fn the_same_code_proves_both_sides_to_each_other() {
        let code = Code::new();
        let (agent, appliance) = exchange(&code, &code);
        appliance.check_agent("ledger", "csr", &agent.agent_proof("ledger", "csr")).unwrap();
        let machine = MachineId::new();
        agent.check_box(machine, "cert", "ca", &appliance.box_proof(machine, "cert", "ca")).unwrap();
    }

    #[test]
    fn another_code_proves_nothing() {
        let (agent, appliance) = exchange(&Code::new(), &Code::new());
        let proof = agent.agent_proof("ledger", "csr");
        assert_eq!(appliance.check_agent("ledger", "csr", &proof), Err(PairingError::NotTheSameCode));
    }

    #[test]
    fn a_changed_request_or_authority_is_noticed() {
        let code = Code::new();
        let (agent, appliance) = exchange(&code, &code);
        assert!(appliance.check_agent("ledger", "other", &agent.agent_proof("ledger", "csr")).is_err());
        let machine = MachineId::new();
        let proof = appliance.box_proof(machine, "cert", "ca");
        assert!(agent.check_box(machine, "cert", "other", &proof).is_err());
        // One side's proof is no proof of the other side.
        assert!(appliance.check_agent("ledger", "csr", &appliance.agent_proof("ledger", "csr")).is_ok());
        assert!(agent.check_box(machine, "cert", "ca", &agent.agent_proof("ledger", "csr")).is_err());
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code: Code = "7k4p 9qxm-2hta".parse().unwrap();
        assert_eq!(code.to_string(), "7K4P-9QXM-2HTA");
        assert_eq!("OIL0-0000-0000".parse::<Code>().unwrap().to_string(), "0110-0000-0000");
        for text in ["", "7K4P-9QXM", "7K4P-9QXM-2HTAA", "7K4P-9QXM-2HT!", "ÄK4P-9QXM-2HTA"] {
            assert!(matches!(text.parse::<Code>(), Err(PairingError::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn a_code_prints_its_secret_only_on_purpose() {
        let code: Code = "7K4P-9QXM-2HTA".parse().unwrap();
        assert_eq!(format!("{code:?}"), "Code(7K4P-…)");
    }
}
