//! Kernel modules from outside the kernel's tree, built against the recipe's kernel in a root of their
//! own. Only the modules leave it: no compiler reaches the image.

use os_sbom::debian;

use crate::cache::Stage;
use crate::command::quote;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::packages::lock::Lock;
use crate::recipe::Recipe;
use crate::stages::bootstrap::Bootstrap;
use crate::stages::{Context, root, tools};

/// Debian's DKMS signs modules with a random key that it makes where it finds a signing tool. The image
/// would differ from build to build, and nobody would have the key.
const NEVER_SIGN: &str = "mkdir -p \"$1\"/etc/dkms/framework.conf.d && \
                          echo sign_file=/nonexistent > \"$1\"/etc/dkms/framework.conf.d/unsigned.conf";

/// Variables that make takes for ones on its command line, so that they win over the kernel's configuration. Without them the compiler
/// describes types and lines for debuggers (DWARF), and pahole makes BTF of that, for each of some 300 small modules with which
/// ZFS's `configure` finds out what the kernel offers, and then for ZFS itself: DKMS strips the one from what it installs, and
/// nothing reads the other. Nor is there a call for the kernel's function tracer at the head of each function: while it loads a module,
/// a kernel since 6.6 looks for the name of each such call among all names of the module, one by one (`test_for_valid_rec` in
/// kernel/trace/ftrace.c). For ZFS with its 13,000 functions the other processors wait for that, seconds on a slow machine.
const SMALLER: &str = "CONFIG_DEBUG_INFO= CONFIG_DEBUG_INFO_BTF_MODULES= CC_FLAGS_FTRACE=";

/// The section of a recipe's lock with these packages.
pub(crate) const SECTION: &str = "modules";

/// What it takes to build a recipe's modules for `kernel`.
pub(crate) fn bootstrap(recipe: &Recipe, kernel: &str) -> Bootstrap {
    let mut packages = vec![format!("linux-headers-{kernel}"), "gcc".into(), "kmod".into(), "make".into()];
    packages.extend(recipe.module_packages.iter().cloned());
    Bootstrap {
        release: recipe.release.clone(),
        components: recipe.components.clone(),
        packages,
        setup_hooks: vec![NEVER_SIGN.into()],
        environment: vec![("MAKEFLAGS".into(), SMALLER.into())],
        ..Bootstrap::default()
    }
}

/// `modules.tar`, to be unpacked below `/usr/lib/modules/VERSION`, and `status` and `os-release`, which tell what it was built from;
/// `None` without module packages.
pub(crate) fn stage(context: &Context, recipe: &Recipe, root: &Stage) -> Result<Option<Stage>> {
    if recipe.module_packages.is_empty() {
        return Ok(None);
    }
    let lock = Lock::load(&recipe.locks)?;
    let kernel = if root.path.is_dir() {
        root::kernel_of(root, recipe)?
    } else {
        // A build is only explained, and the root not built: the lock may know.
        let locked = lock.sections.get(root::SECTION);
        locked.and_then(|root| root::kernel_version(root.packages.keys())).unwrap_or_default().to_owned()
    };
    let bootstrap = bootstrap(recipe, &kernel);
    let key = Key::default()
        .value("release", &bootstrap.release)
        .value("components", &bootstrap.components)
        .value("module packages", &recipe.module_packages)
        .content("kernel", root, || Ok(&kernel))?
        .value(
            "builder",
            &[include_str!("modules.rs"), include_str!("bootstrap.rs"), include_str!("tools.rs")],
        );
    let (name, locked) = (format!("modules {}", recipe.name), lock.sections.get(SECTION));
    let stage = context.packages.stage(&name, key, &bootstrap, locked, |installer, out| {
        let tar = out.join("modules.tar");
        let folder = format!("\"$1\"/usr/lib/modules/{kernel}");
        let modules = tools::pack(&folder, "updates", &quote(&tar), context.packages.source_date());
        let packages = format!("copy-out /{} /{} {}", debian::STATUS, debian::OS_RELEASE, quote(out));
        let what = recipe.module_packages.join(", ");
        installer.run(&format!("build {what} for kernel {kernel}"), None, &[modules, packages])?;
        if tar.metadata().map_or(0, |m| m.len()) < 10 * 1024 {
            return Err(Error::content(
                &recipe.name,
                format!("{what} built no module for kernel {kernel}"),
                format!("see {}", installer.log.0.display()),
            ));
        }
        Ok(())
    })?;
    Ok(Some(stage))
}
