//! Where two builds of the same recipe went apart: the first stage whose results differ, and the file in it, and the file in
//! that file.

mod container;
mod listing;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use container::{Container, Part};

use crate::cache::StageReport;
use crate::error::{IoContext, Result};
use crate::key::sorted_children;

/// The first difference between two builds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Divergence {
    /// The stage, as its report names it.
    pub stage: String,
    /// The file in its folder, the file in that file, and so on.
    pub path: Vec<String>,
    /// What is different.
    pub what: String,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let place: Vec<_> = std::iter::once(&self.stage).chain(&self.path).map(String::as_str).collect();
        write!(f, "stage {}: {}", place.join(" > "), self.what)
    }
}

/// A difference, relative to what was compared.
struct Found {
    path: Vec<String>,
    what: String,
}

impl Found {
    fn new(what: impl Into<String>) -> Self {
        Self { path: Vec::new(), what: what.into() }
    }

    fn below(mut self, name: impl Into<String>) -> Self {
        self.path.insert(0, name.into());
        self
    }
}

/// Opens what the builder makes.
pub(crate) struct Inspector<'a> {
    /// Runs a shell script as root of a user namespace, in a folder.
    pub run: &'a dyn Fn(&Path, &str) -> Result<Vec<u8>>,
    /// For what is unpacked.
    pub scratch: &'a Path,
}

impl Inspector<'_> {
    /// The first stage whose result in one build is not what it is in the other.
    pub fn first_divergence(&self, [one, other]: [&[StageReport]; 2]) -> Result<Option<Divergence>> {
        let mut seen = BTreeSet::new(); // a build asks for some stages again and again
        for StageReport { stage, path, .. } in one.iter().filter(|report| seen.insert(&report.stage)) {
            let Some(twin) = other.iter().find(|report| report.stage == *stage) else {
                let what = "only the first build has it".into();
                return Ok(Some(Divergence { stage: stage.clone(), path: Vec::new(), what }));
            };
            if let Some(Found { path, what }) = self.folders([path, &twin.path])? {
                return Ok(Some(Divergence { stage: stage.clone(), path, what }));
            }
        }
        Ok(None)
    }

    /// Compares names and content; who owns a result in a cache, and since when, is no part of it.
    fn folders(&self, folders: [&Path; 2]) -> Result<Option<Found>> {
        let mut names = BTreeSet::new();
        for folder in folders {
            names.extend(
                sorted_children(folder)?.iter().filter_map(|path| path.file_name().map(|n| n.to_owned())),
            );
        }
        for name in names {
            let paths = folders.map(|folder| folder.join(&name));
            let found = match paths
                .each_ref()
                .map(|path| path.symlink_metadata().ok().map(|meta| meta.file_type()))
            {
                [None, _] => Some(Found::new("only the second build has it")),
                [_, None] => Some(Found::new("only the first build has it")),
                [Some(a), Some(b)] if a != b => Some(Found::new("it is of different types")),
                [Some(kind), _] if kind.is_dir() => self.folders([&paths[0], &paths[1]])?,
                [Some(kind), _] if kind.is_file() => self.files([&paths[0], &paths[1]])?,
                [Some(kind), _] if kind.is_symlink() => {
                    let [a, b] = paths.each_ref().map(|path| path.read_link().ok());
                    (a != b).then(|| Found::new(format!("it points to {a:?} and to {b:?}")))
                }
                _ => None,
            };
            if let Some(found) = found {
                return Ok(Some(found.below(name.to_string_lossy())));
            }
        }
        Ok(None)
    }

    fn files(&self, files: [&Path; 2]) -> Result<Option<Found>> {
        let Some(offset) = first_differing_byte(files)? else { return Ok(None) };
        let sizes = files.map(|file| file.metadata().map_or(0, |meta| meta.len()));
        let mut bytes = format!("it differs from byte {offset} on");
        if sizes[0] != sizes[1] {
            bytes += &format!(", and has {} and {} bytes", sizes[0], sizes[1]);
        }
        let found = match Container::of(files[0])? {
            Some(container) if Container::of(files[1])? == Some(container) => {
                self.inside(container, files)?
            }
            _ => return Ok(Some(Found::new(bytes))),
        };
        Ok(Some(found.unwrap_or_else(|| Found::new(format!("{bytes}; every file in it is the same")))))
    }

    /// Unpacks two files and compares what is in them, owners and dates included.
    fn inside(&self, container: Container, files: [&Path; 2]) -> Result<Option<Found>> {
        let folder = tempfile::tempdir_in(self.scratch).at("create a folder in", self.scratch)?;
        let folder = folder.path();
        let copies = ["a", "b"].map(|name| folder.join(name));
        for (from, to) in files.into_iter().zip(&copies) {
            std::fs::copy(from, to).at("copy", from)?;
            let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            std::fs::set_permissions(to, readable).at("chmod", to)?;
        }
        let parts = match container {
            Container::Disk => copies.each_ref().map(|disk| container::partitions(disk)),
            Container::Cpio => copies.each_ref().map(|file| container::archives(file)),
            _ => [Ok(Vec::new()), Ok(Vec::new())],
        };
        let [parts, others] = parts;
        let (parts, others) = (parts?, others?);
        if !parts.is_empty() {
            return self.parts([&copies[0], &copies[1]], parts.into_iter().zip(others));
        }
        let lists = (self.run)(folder, &format!("{}\n{}", container.unpack(), listing::SCRIPT))?;
        let Some((member, what)) = listing::first_difference(&String::from_utf8_lossy(&lists)) else {
            return Ok(None);
        };
        let found = match what {
            Some(what) => Found::new(what),
            None => {
                let name = crate::command::quote(&member);
                (self.run)(folder, &format!("for i in a b; do cp $i.d/{name} $i; chmod 0644 $i; done"))?;
                self.files([&copies[0], &copies[1]])?.unwrap_or_else(|| Found::new("it differs"))
            }
        };
        (self.run)(folder, "rm -rf a.d b.d")?;
        Ok(Some(found.below(member)))
    }

    /// Compares what two files consist of, part by part.
    fn parts(&self, files: [&Path; 2], parts: impl Iterator<Item = (Part, Part)>) -> Result<Option<Found>> {
        let places = files.map(|file| file.with_extension("part"));
        for (one, other) in parts {
            one.write(files[0], &places[0])?;
            other.write(files[1], &places[1])?;
            if let Some(found) = self.files([&places[0], &places[1]])? {
                return Ok(Some(found.below(one.name)));
            }
        }
        Ok(None)
    }
}

/// The offset of the first byte that differs; the end of a file counts as a difference.
pub fn first_differing_byte(files: [&Path; 2]) -> Result<Option<u64>> {
    const CHUNK: usize = 1 << 20;
    let open = |path| File::open(path).at("open", path).map(BufReader::new);
    let [mut a, mut b] = [open(files[0])?, open(files[1])?];
    let mut offset = 0;
    loop {
        let mut chunks = [Vec::new(), Vec::new()];
        (&mut a).take(CHUNK as u64).read_to_end(&mut chunks[0]).at("read", files[0])?;
        (&mut b).take(CHUNK as u64).read_to_end(&mut chunks[1]).at("read", files[1])?;
        let [one, other] = &chunks;
        if one != other {
            let same = one.iter().zip(other).take_while(|(x, y)| x == y).count();
            return Ok(Some(offset + same as u64));
        }
        if one.is_empty() {
            return Ok(None);
        }
        offset += one.len() as u64;
    }
}

#[cfg(test)]
mod tests;
