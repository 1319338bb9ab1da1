//! What wasmtime makes of the contract. Private: the rest of the host knows only its own types.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
});
