//! What the box itself knows to be impossible of answers that are right in themselves.

use understudy_answers::{Answers, NewPool, Pool, line_of};
use understudy_bus::settings::{Mistake, Port};

use crate::engine::{Engine, Found};
use crate::keyboards;

/// What is wrong with `text`, and the answers it holds if they can be read at all.
pub async fn check<E: Engine>(engine: &E, text: &str) -> anyhow::Result<Result<Answers, Vec<Mistake>>> {
    let answers = match understudy_answers::parse(text) {
        Ok(answers) => answers,
        Err(mistake) => return Ok(Err(vec![at(mistake.line, mistake.reason)])),
    };
    let mistakes = on_this_box(engine, text, &answers).await?;
    Ok(if mistakes.is_empty() { Ok(answers) } else { Err(mistakes) })
}

async fn on_this_box<E: Engine>(engine: &E, text: &str, answers: &Answers) -> anyhow::Result<Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let keyboard = answers.keyboard.as_str();
    if keyboards::keymap(keyboard).is_none() {
        mistakes.push(at(line_of(text, &["keyboard"], None), keyboards::unknown(keyboard)));
    }
    if !engine.knows_zone(&answers.time_zone) {
        mistakes.push(at(line_of(text, &["time_zone"], None), unknown_zone(answers.time_zone.as_str())));
    }
    if let Some(mac) = &answers.network.mac
        && let Some(reason) = no_port(mac.as_str(), &engine.ports()?)
    {
        mistakes.push(at(line_of(text, &["network", "mac"], None), reason));
    }
    match &answers.pool {
        Pool::New(pool) => {
            let found = engine.find_disks(&pool.disks).await?;
            mistakes.extend(disks(pool, &found).into_iter().map(|(index, reason)| {
                // The item's own line, for a list that goes over several.
                at(line_of(text, &["pool", "disks"], Some(index)), reason)
            }));
        }
        Pool::Import(import) => {
            let reason = engine.check_import(*import).await?;
            mistakes.extend(reason.map(|reason| at(line_of(text, &["pool", "import"], None), reason)));
        }
    }
    Ok(mistakes)
}

fn at(line: usize, reason: String) -> Mistake {
    Mistake { line: u32::try_from(line).unwrap_or(0), reason }
}

/// Says that there is no such time zone.
pub fn unknown_zone(zone: &str) -> String {
    format!("the time zone {zone:?} is unknown here; use a name of the IANA database like Europe/Berlin")
}

/// Says that no port has this hardware address; nothing if one has.
pub fn no_port(mac: &str, ports: &[Port]) -> Option<String> {
    if ports.iter().any(|port| port.mac == mac) {
        return None;
    }
    let there: Vec<_> = ports.iter().map(|port| format!("{} ({})", port.mac, port.name)).collect();
    let there = if there.is_empty() { "none at all".to_owned() } else { there.join(", ") };
    Some(format!("no Ethernet port has the hardware address {mac}; there are: {there}"))
}

/// What is wrong with a new pool's disks: index in the list, and why.
fn disks(pool: &NewPool, found: &[Found]) -> Vec<(usize, String)> {
    let mut mistakes = Vec::new();
    for (index, (name, disk)) in pool.disks.iter().zip(found).enumerate() {
        let (device, holds) = match disk {
            Found::No(reason) => {
                mistakes.push((index, reason.clone()));
                continue;
            }
            Found::Disk { device, holds } => (device, holds),
        };
        let same = |earlier: &Found| matches!(earlier, Found::Disk { device: other, .. } if other == device);
        if let Some(earlier) = found[..index].iter().position(same) {
            let earlier = pool.disks[earlier].as_str();
            mistakes.push((index, format!("{:?} is the same disk as {earlier:?}", name.as_str())));
        } else if !holds.is_empty() && !pool.erase.contains(name) {
            let reason = format!(
                "disk {:?} is not empty: {holds}. Name it in `erase` too if that may be lost, or use another disk",
                name.as_str()
            );
            mistakes.push((index, reason));
        }
    }
    mistakes
}

/// All mistakes in one text for a person, each with its line.
pub fn said(mistakes: &[Mistake]) -> String {
    let one = |mistake: &Mistake| match mistake.line {
        0 => mistake.reason.clone(),
        line => format!("{}, line {line}: {}", understudy_answers::FILE, mistake.reason),
    };
    mistakes.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::{GOOD, Simulated};

    async fn mistakes(engine: &Simulated, from: &str, to: &str) -> Vec<(u32, String)> {
        assert!(GOOD.contains(from), "{from}");
        let checked = check(engine, &GOOD.replace(from, to)).await.unwrap();
        let mistakes = checked.err().unwrap_or_default();
        mistakes.into_iter().map(|mistake| (mistake.line, mistake.reason)).collect()
    }

    #[tokio::test]
    async fn answers_that_fit_the_box_have_no_mistakes() {
        assert_eq!(mistakes(&Simulated::new(), "box", "box").await, []);
    }

    #[tokio::test]
    async fn what_the_box_does_not_have_is_said_with_its_line() {
        let engine = Simulated::new();
        for (from, to, line, word) in [
            ("\"de\"", "\"klingon\"", 3, "de, fr"),
            ("Europe/Berlin", "Mars/Olympus", 4, "IANA"),
            ("52:54:00:AB:34:56", "52:54:00:00:00:01", 6, "52:54:00:ab:34:56 (eth0)"),
            ("[\"A\", \"B\"]", "[\"A\",\n \"C\"]", 13, "\"C\""),
            ("[\"A\", \"B\"]", "[\"A\", \"by-id-of-A\"]", 12, "same disk as \"A\""),
            ("[\"A\", \"B\"]", "[\"A\", \"full\"]", 12, "zfs_member"),
            ("layout = \"mirror\"\ndisks = [\"A\", \"B\"]", "import = \"1\"", 11, "no disk holds it"),
        ] {
            let found = mistakes(&engine, from, to).await;
            assert!(found.len() == 1 && found[0].0 == line && found[0].1.contains(word), "{to}: {found:?}");
        }
    }

    #[tokio::test]
    async fn contents_that_may_be_lost_are_no_mistake() {
        let text = "[\"A\", \"full\"]\nerase = [\"full\"]";
        assert_eq!(mistakes(&Simulated::new(), "[\"A\", \"B\"]", text).await, []);
    }

    #[tokio::test]
    async fn all_mistakes_are_said_at_once_and_an_unreadable_text_is_one() {
        let engine = Simulated::new();
        let text = GOOD.replace("\"de\"", "\"xx\"").replace("\"A\"", "\"C\"");
        let found = check(&engine, &text).await.unwrap().unwrap_err();
        assert_eq!(found.iter().map(|mistake| mistake.line).collect::<Vec<_>>(), [3, 12]);
        let one = said(&found);
        assert!(
            one.starts_with("understudy.toml, line 3: ") && one.contains("; understudy.toml, line 12"),
            "{one}"
        );
        let found = mistakes(&engine, "\"mirror\"", "\"stripe\"").await;
        assert!(found.len() == 1 && found[0].0 == 11 && found[0].1.contains("stripe"), "{found:?}");
    }
}
