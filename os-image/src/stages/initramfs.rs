//! A kernel and a small initramfs: busybox, a choice of modules, the recipe's files, one program of the
//! workspace. For helper machines that look at what the main system must not touch.

use crate::cache::Stage;
use crate::command::quote;
use crate::error::{IoContext, Result};
use crate::key::Key;
use crate::namespace;
use crate::overlay::{Overlay, lay_over};
use crate::recipe::Recipe;
use crate::stages::tools::extract;
use crate::stages::{Context, root};

/// `vmlinuz` and `initrd.img`. The program stands in `/usr/bin`; `/etc/modules` lists the modules to load.
pub(crate) fn stage(
    context: &Context,
    recipe: &Recipe,
    root: &Stage,
    programs: Option<&Stage>,
) -> Result<Stage> {
    let mut overlay = Overlay::default();
    overlay.text("etc/modules", recipe.modules.join("\n") + "\n");
    if let (Some(program), Some(programs)) = (&recipe.program, programs) {
        overlay.file(format!("usr/bin/{}", program.bin), &programs.path.join(&program.bin));
    }
    let mut key = Key::default()
        .value("root", &root.hash)
        .value("tools", &context.tools.hash)
        .value("programs", &programs.map(|p| &p.hash))
        .value("modules", &recipe.modules)
        .value("program", &recipe.program)
        .value("builder", &include_str!("initramfs.rs"));
    for (n, folder) in recipe.files.iter().enumerate() {
        overlay.folder(folder)?;
        key = key.path(&format!("files {n}"), folder)?;
    }
    context.cache.stage(&format!("initramfs {}", recipe.name), &key, |out, scratch, log| {
        let kernel = root::kernel_of(root, recipe)?;
        let (tree, over) = (scratch.join("tree"), scratch.join("overlay"));
        overlay.write_to(&over)?;
        std::fs::create_dir_all(&tree).at("create", &tree)?;
        let unpack = extract(&quote(root.path.join("root.tar")), &quote(&tree));
        log.run("unpack the kernel", namespace::command(&unpack))?;
        let inside = context
            .build_root()
            .with_writable("tree", &tree)
            .with("overlay", &over)
            .with_writable("out", out);
        inside.run(log, "make the initramfs", &script(recipe, &kernel))?;
        Ok(())
    })
}

fn script(recipe: &Recipe, kernel: &str) -> String {
    format!(
        "mkdir -p /tmp/i/usr/bin /tmp/i/usr/lib/modules/{kernel} && cd /tmp/i
         mkdir -m 0755 dev proc sys run etc root mnt; mkdir -m 1777 tmp
         ln -s usr/bin bin; ln -s usr/bin sbin; ln -s bin usr/sbin; ln -s usr/lib lib
         cp $(command -v busybox) usr/bin/busybox
         chroot /tmp/i /usr/bin/busybox --install -s /usr/bin
         depmod -b /run/build/tree {kernel}
         for module in {modules}; do
           modprobe -d /run/build/tree -S {kernel} --show-depends $module || exit 1
         done | sed -n 's/^insmod //p' | sort -u > /tmp/modules
         while read -r file rest; do
           to=usr/lib/modules/{kernel}/${{file##*/{kernel}/}}; mkdir -p ${{to%/*}}
           case $file in
             *.xz) xz -dc $file > ${{to%.xz}} ;;
             *.zst) zstd -qdc $file > ${{to%.zst}} ;;
             *) cp $file $to ;;
           esac
         done < /tmp/modules
         cp /run/build/tree/usr/lib/modules/{kernel}/modules.order /run/build/tree/usr/lib/modules/{kernel}/modules.builtin* \
           usr/lib/modules/{kernel}/
         depmod -b /tmp/i {kernel}
         {lay}
         find . -exec touch --no-dereference --date=@$SOURCE_DATE_EPOCH {{}} +
         find . | sort | cpio --quiet -o -H newc --reproducible -R 0:0 | zstd -q -15 -T1 > /run/build/out/initrd.img
         cp /run/build/tree/boot/vmlinuz-{kernel} /run/build/out/vmlinuz
         chmod 0644 /run/build/out/*",
        modules = recipe.modules.join(" "),
        lay = lay_over("/run/build/overlay", "/tmp/i"),
    )
}
