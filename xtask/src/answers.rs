//! `cargo xtask answers`: the file that sets a box up without a person, and the disk it is read from.

use std::io::{BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, SaltString};
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use understudy_answers::{FILE, LABEL, Mistake, PasswordHash};

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The file, such as understudy.toml; the README has an example
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// Image of the disk to make; a stick or a virtual disk with these bytes is one
    #[arg(long, value_name = "DISK.img")]
    to: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Ask for a password, or read a line from standard input, and print its hash for `password_hash`
    Hash,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if let Some(Verb::Hash) = arguments.verb {
        println!("{}", hash(&password()?)?.as_str());
        return Ok(());
    }
    let file = arguments.file.as_deref().context("no file is named")?;
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    check(file, &text)?;
    match &arguments.to {
        Some(image) => {
            write(image, text)?;
            println!("{} is a disk labelled {LABEL} with these answers", image.display());
        }
        None => println!("{} has no mistake that can be seen from here", file.display()),
    }
    Ok(())
}

fn check(file: &Path, text: &str) -> Result<()> {
    match understudy_answers::parse(text) {
        Ok(_) => Ok(()),
        Err(Mistake { line, reason }) => bail!("{}, line {line}: {reason}", file.display()),
    }
}

/// Makes the image whole or not at all. What is there already is replaced only if it is such an image.
fn write(image: &Path, text: String) -> Result<()> {
    ensure!(
        !image.exists() || is_ours(image)?,
        "{} is there already, and is no disk labelled {LABEL}; nothing was changed. Name another file, or remove it",
        image.display()
    );
    let folder = match image.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let new = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot make a file in {}", folder.display()))?;
    qemu_harness::write_fat(new.path(), LABEL, &[(FILE.to_owned(), text.into_bytes())])?;
    new.persist(image).with_context(|| format!("cannot write {}", image.display()))?;
    Ok(())
}

/// Whether a file begins as a FAT file system with our label: padded to eleven bytes, at byte 43 of the first sector (FAT12 and FAT16,
/// which small ones are).
fn is_ours(image: &Path) -> Result<bool> {
    let mut sector = Vec::new();
    let file = std::fs::File::open(image).with_context(|| format!("cannot read {}", image.display()))?;
    let plain = file.metadata().with_context(|| format!("cannot read {}", image.display()))?.is_file();
    file.take(512).read_to_end(&mut sector).with_context(|| format!("cannot read {}", image.display()))?;
    Ok(plain && sector.get(43..54) == Some(format!("{LABEL:<11}").as_bytes()))
}

/// By Argon2id with the parameters that RFC 9106 and OWASP think enough for a server: 19 MiB, two passes, one lane.
fn hash(password: &str) -> Result<PasswordHash> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)
        .map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    let salt =
        SaltString::encode_b64(&salt).map_err(|error| anyhow::anyhow!("cannot encode a salt: {error}"))?;
    let hash = Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .map_err(|error| anyhow::anyhow!("cannot hash the password: {error}"))?;
    Ok(hash.to_string().parse()?)
}

/// Asks twice at a terminal; takes a line from anything else.
fn password() -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return check_password(line()?);
    }
    let silence = Silence::begin()?;
    let ask = |what: &str| {
        eprint!("{what}: ");
        let line = line();
        eprintln!();
        line
    };
    let first = check_password(ask("Password")?)?;
    let second = ask("Again")?;
    drop(silence);
    ensure!(first == second, "these were two passwords; nothing was printed");
    Ok(first)
}

/// A line, without its end.
fn line() -> Result<String> {
    let (mut bytes, mut stdin) = (Vec::new(), std::io::stdin().lock());
    loop {
        let chunk = stdin.fill_buf().context("cannot read the password")?;
        // At a terminal Ctrl-C ends a line too.
        let end = chunk.iter().position(|&byte| [b'\n', CANCEL].contains(&byte));
        let ended = chunk.is_empty() || end.is_some();
        let taken = end.map_or(chunk.len(), |end| end + 1);
        bytes.extend_from_slice(&chunk[..taken]);
        stdin.consume(taken);
        if ended {
            break;
        }
    }
    ensure!(!bytes.contains(&CANCEL), "cancelled");
    let line = String::from_utf8(bytes).context("the password is not UTF-8")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn check_password(password: String) -> Result<String> {
    ensure!(!password.is_empty(), "an empty password lets everybody in; nothing was printed");
    ensure!(!password.contains(char::is_control), "nobody can type this password: it has control characters");
    Ok(password)
}

/// What Ctrl-C sends.
const CANCEL: u8 = 3;

/// The terminal shows nothing of what is typed, until this goes.
struct Silence(Termios);

impl Silence {
    fn begin() -> Result<Self> {
        let before = tcgetattr(std::io::stdin()).context("cannot silence the terminal")?;
        let mut silent = before.clone();
        // Ctrl-C ends the line instead of this program, which would leave the terminal silent.
        silent.local_flags -= LocalFlags::ECHO | LocalFlags::ISIG;
        silent.control_chars[SpecialCharacterIndices::VEOL as usize] = CANCEL;
        tcsetattr(std::io::stdin(), SetArg::TCSAFLUSH, &silent).context("cannot silence the terminal")?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(std::io::stdin(), SetArg::TCSAFLUSH, &self.0) {
            eprintln!("the terminal stays silent ({error}); `stty sane` mends it");
        }
    }
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordVerifier;

    use super::*;

    const README: &str = include_str!("../../README.md");

    /// The README's example: the first block of TOML behind its heading.
    fn example() -> &'static str {
        let section = README.split("\n## Unattended\n").nth(1).expect("the README has a section Unattended");
        let block = section.split("```toml\n").nth(1).expect("and in it a block of TOML");
        block.split("```").next().expect("that ends")
    }

    #[test]
    fn the_readmes_example_is_right() {
        let answers = understudy_answers::parse(example()).unwrap();
        assert!(answers.password_hash.is_some());
    }

    #[test]
    fn a_mistake_is_said_with_file_and_line() {
        let error = check(Path::new("my.toml"), &example().replace("mirror", "stripe")).unwrap_err();
        assert!(
            error.to_string().starts_with("my.toml, line ") && error.to_string().contains("stripe"),
            "{error}"
        );
    }

    #[test]
    fn the_image_is_replaced_by_another_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("disk.img");
        write(&image, "first".to_owned()).unwrap();
        assert!(is_ours(&image).unwrap());
        write(&image, example().to_owned()).unwrap();
        let read = std::process::Command::new("mtype")
            .arg("-i")
            .arg(&image)
            .arg(format!("::{FILE}"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(read.stdout).unwrap(), example());
        let other = folder.path().join("thesis.txt");
        std::fs::write(&other, "words").unwrap();
        assert!(write(&other, String::new()).unwrap_err().to_string().contains("nothing was changed"));
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "words");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_hash_is_of_its_password_alone_and_never_the_same() {
        let (one, two) = (hash("correct horse").unwrap(), hash("correct horse").unwrap());
        assert_ne!(one.as_str(), two.as_str());
        let parsed = argon2::PasswordHash::new(one.as_str()).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"wrong horse", &parsed).is_err());
    }

    #[test]
    fn a_password_that_nobody_can_type_is_refused() {
        for bad in ["", "a\tb"] {
            assert!(check_password(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
