//! Files of the system that others read.

use anyhow::Context;

/// Replaces a file; says whether it was another before.
pub fn put(path: &str, text: &str) -> anyhow::Result<bool> {
    if std::fs::read_to_string(path).is_ok_and(|before| before == text) {
        return Ok(false);
    }
    let new = format!("{path}.new");
    let write = || {
        if let Some((folder, _)) = path.rsplit_once('/') {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&new, text)?;
        // Their readers are users of their own.
        std::fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        std::fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {path}"))?;
    Ok(true)
}

/// Replaces a file, or removes it where there is nothing to be in it; says whether that changed anything.
pub fn set(path: &str, text: Option<&str>) -> anyhow::Result<bool> {
    let Some(text) = text else {
        return match std::fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot remove {path}")),
        };
    };
    put(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_said_to_have_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = format!("{}/deep/file", folder.path().display());
        for (text, changed) in
            [(None, false), (Some("a"), true), (Some("a"), false), (Some("b"), true), (None, true)]
        {
            assert_eq!(set(&path, text).unwrap(), changed, "{text:?}");
            assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), text);
        }
    }
}
