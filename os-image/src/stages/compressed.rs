//! How large a file is once it is compressed with zstd: what a person would download.

use std::path::Path;

use crate::cache::Stage;
use crate::error::{Error, IoContext, Result};
use crate::key::Key;
use crate::stages::Context;

const BYTES: &str = "bytes";

/// `bytes`, in digits. `kind` is what `file` is, and `hash` the hash of its stage.
pub(crate) fn stage(context: &Context, name: &str, kind: &str, file: &Path, hash: &str) -> Result<Stage> {
    let key = Key::default().value(kind, &hash).value("tools", &context.tools.hash);
    context.cache.stage(name, &key, |out, _, log| {
        let root = context.build_root().with("file", file).with_writable("out", out);
        let script = format!("zstd -q -T0 -3 -c /run/build/file | wc -c > /run/build/out/{BYTES}");
        root.run(log, &format!("compress the {kind}"), &script)?;
        Ok(())
    })
}

/// The number in a stage's result.
pub(crate) fn bytes(stage: &Stage) -> Result<u64> {
    let file = stage.path.join(BYTES);
    let text = std::fs::read_to_string(&file).at("read", &file)?;
    text.trim().parse().map_err(|_| {
        Error::content(&file.display().to_string(), "the size in it is unreadable", "remove the cache")
    })
}
