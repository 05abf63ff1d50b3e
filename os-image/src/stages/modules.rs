//! Kernel modules from outside the kernel's tree, built against the recipe's kernel in a root of their
//! own. Only the modules leave it: no compiler reaches the image.

use crate::cache::Stage;
use crate::command::quote;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::recipe::Recipe;
use crate::stages::bootstrap::Bootstrap;
use crate::stages::{Context, root};

/// Debian's DKMS signs modules with a random key that it makes where it finds a signing tool. The image
/// would differ from build to build, and nobody would have the key.
const NEVER_SIGN: &str = "mkdir -p \"$1\"/etc/dkms/framework.conf.d && \
                          echo sign_file=/nonexistent > \"$1\"/etc/dkms/framework.conf.d/unsigned.conf";

/// `modules.tar`, to be unpacked below `/usr/lib/modules/VERSION`; `None` without module packages.
pub(crate) fn stage(context: &Context, recipe: &Recipe, root: &Stage) -> Result<Option<Stage>> {
    if recipe.module_packages.is_empty() {
        return Ok(None);
    }
    let kernel = root::kernel_of(root, recipe)?;
    let mut packages = vec![format!("linux-headers-{kernel}"), "gcc".into(), "kmod".into(), "make".into()];
    packages.extend(recipe.module_packages.iter().cloned());
    let bootstrap = Bootstrap {
        release: &recipe.release,
        components: &recipe.components,
        packages: &packages,
        exclude: &[],
        setup_hooks: vec![NEVER_SIGN.into()],
    };
    let key = Key::default()
        .value("release", &recipe.release)
        .value("components", &recipe.components)
        .value("kernel and module packages", &packages)
        .value("builder", &[include_str!("modules.rs"), include_str!("bootstrap.rs")]);
    let stage = context.cache.stage(&format!("modules {}", recipe.name), &key, |out, scratch, log| {
        let tar = out.join("modules.tar");
        let hook = format!("tar-out /usr/lib/modules/{kernel}/updates {}", quote(&tar));
        bootstrap.run(
            context.cache,
            context.mirrors,
            log,
            &format!("build {} for kernel {kernel}", recipe.module_packages.join(", ")),
            scratch,
            None,
            &[hook],
        )?;
        if tar.metadata().map_or(0, |m| m.len()) < 10 * 1024 {
            return Err(Error::content(
                &recipe.name,
                format!("{} built no module for kernel {kernel}", recipe.module_packages.join(", ")),
                format!("see {}", log.0.display()),
            ));
        }
        Ok(())
    })?;
    Ok(Some(stage))
}
