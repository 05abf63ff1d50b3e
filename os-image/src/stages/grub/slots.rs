//! Two slots, chosen as RAUC's GRUB back end expects it (RAUC reference, "GRUB"): `ORDER`, and for each slot `_OK` and `_TRY`, in an
//! environment block that RAUC edits with grub-editenv.
//!
//! Two things differ from the example in RAUC's documentation. A slot has three tries, not one: a power cut in the first minute is
//! no reason to give up a slot that has served for months. And there is a second copy of the environment, because grub-editenv empties
//! the file before it fills it: whoever marks a slot good copies the environment to it afterwards.

use crate::error::{Error, Result};
use crate::recipe::{Content, Recipe, Slot};
use crate::stages::disk::partition_uuid;

use super::BEGINNING;

/// The environment that RAUC and GRUB write.
const ENVIRONMENT: &str = "grubenv";
/// Its copy.
const BACKUP: &str = "grubenv.backup";

/// A script for the tools: both environments, with slot A good and slot B empty.
pub(super) fn make_environments() -> String {
    format!(
        "
         cd /tmp/esp/EFI/BOOT
         grub-editenv {ENVIRONMENT} create
         grub-editenv {ENVIRONMENT} set 'ORDER=A B' A_OK=1 A_TRY=0 B_OK=0 B_TRY=0
         cp {ENVIRONMENT} {BACKUP}
         cd /"
    )
}

/// Chooses a slot, counts the try, and starts what the slot says.
pub(super) fn config(recipe: &Recipe) -> Result<String> {
    let a = places(recipe, Slot::A)?;
    let b = places(recipe, Slot::B)?;
    Ok(format!(
        r#"{BEGINNING}set folder=($root)/EFI/BOOT

# The environment, or its copy where a power cut left it empty.
for file in {ENVIRONMENT} {BACKUP}; do
  if [ -z "$ORDER" ]; then
    set environment=$folder/$file
    load_env --file $environment ORDER A_OK A_TRY B_OK B_TRY
  fi
done
if [ -z "$ORDER" ]; then
  set environment=
  set ORDER="A B"
  set A_OK=1
  set B_OK=1
fi

# A good slot with tries left; else a good slot, counting anew; else any slot with something to start.
for pass in tries good any; do
  if [ -z "$slot" -a "$pass" != tries ]; then
    set A_TRY=0
    set B_TRY=0
  fi
  for name in $ORDER; do
    if [ "$name" = A ]; then
      set number={a_kernel}
      set ok=$A_OK
      set try=$A_TRY
    else
      set number={b_kernel}
      set ok=$B_OK
      set try=$B_TRY
    fi
    if [ "$pass" = any ]; then
      set ok=1
    fi
    if [ -z "$slot" -a "$ok" = 1 -a "$try" != 3 -a -f ($disk,gpt$number)/{slot_config} ]; then
      set slot=$name
      set kernel=$number
      set tried=$try
    fi
  done
done

if [ "$tried" = 2 ]; then
  set tried=3
elif [ "$tried" = 1 ]; then
  set tried=2
else
  set tried=1
fi
if [ "$slot" = A ]; then
  set root_uuid={a_root}
  set A_TRY=$tried
else
  set root_uuid={b_root}
  set B_TRY=$tried
fi
if [ -n "$environment" ]; then
  save_env --file $environment ORDER A_OK A_TRY B_OK B_TRY
fi

if [ -z "$slot" ]; then
  echo "No slot of this disk holds a system that can be started."
  sleep 30
  reboot
fi
echo "Starting slot $slot, try $tried"
source ($disk,gpt$kernel)/{slot_config}
boot
echo "Slot $slot could not be started."
sleep 3
reboot
"#,
        a_kernel = a.kernel,
        b_kernel = b.kernel,
        a_root = a.root,
        b_root = b.root,
        slot_config = super::SLOT_CONFIG,
    ))
}

/// Where a slot is on the disk.
struct Places {
    kernel: usize,
    root: uuid::Uuid,
}

fn places(recipe: &Recipe, slot: Slot) -> Result<Places> {
    let find = |content| {
        let mut numbered = (1..).zip(&recipe.partitions);
        numbered.find(|(_, p)| p.slot == Some(slot) && p.content == Some(content)).ok_or_else(|| {
            Error::content(
                &recipe.name,
                format!("slot {slot:?} has no partition with `content = \"{content:?}\"`").to_lowercase(),
                "give slot A and slot B a partition for the kernel and one for the root each, or remove every `slot`",
            )
        })
    };
    Ok(Places { kernel: find(Content::Kernel)?.0, root: partition_uuid(recipe, find(Content::Root)?.1) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::recipe;
    use super::*;

    #[test]
    fn each_slot_names_its_own_partitions() {
        let partition = |label, content, slot| {
            format!("{{ label = \"{label}\", size = 1, content = \"{content}\", slot = \"{slot}\" }}, ")
        };
        let mut partitions = "{ label = \"esp\", size = 1 }, ".to_owned();
        partitions += &partition("boot-a", "kernel", "A");
        partitions += &partition("root-a", "root", "A");
        partitions += &partition("boot-b", "kernel", "B");
        let lacking = config(&recipe(&partitions)).unwrap_err().to_string();
        assert!(lacking.contains("slot b has no partition with `content = \"root\"`"), "{lacking}");
        let recipe = recipe(&(partitions + &partition("root-b", "root", "B")));
        let config = config(&recipe).unwrap();
        let uuid = |n: usize| partition_uuid(&recipe, &recipe.partitions[n]);
        for expected in [
            "set number=2".to_owned(),
            "set number=4".to_owned(),
            format!("set root_uuid={}", uuid(2)),
            format!("set root_uuid={}", uuid(4)),
        ] {
            assert!(config.contains(&expected), "{expected} is not in {config}");
        }
    }
}
