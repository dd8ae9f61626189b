//! What a static library for bare metal must have, though no code of ours reaches it.

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    cpc_panicked()
}

/// Stops here, so that a watchdog resets the device. Its symbol shows whether a program can panic at all: the linker
/// drops it if nothing can, and the firmware example checks that.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn cpc_panicked() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
