"""Does a scan name the libraries in stripped Cortex-M images, and their versions? Measured against what was linked.

Builds images from package sources (``mcu_sources.py``), linked with ``--gc-sections`` and stripped, and images without
foreign code; a quarter with compilers that no signature pack knows. Needs the compilers and the network once.

``python3 components_mcu.py [--seed N]``; exit code 1 when a bound of ``BOUNDS`` is missed.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import mcu_sources
from mcu_sources import CACHE, Configuration, Source, Toolchain, run

from firmware_checks.fingerprints.components import FoundComponent
from firmware_checks.fingerprints.functions import Code, functions_by_trust
from firmware_checks.fingerprints.identify import components_in
from firmware_checks.fingerprints.matching import Index
from firmware_checks.fingerprints.objects import functions_of
from firmware_checks.fingerprints.shipped import shipped_packs
from toolkit.core.window import Window

assert sys.platform != "win32", "memory is told by a call that only Unix has"

IMAGES = 36
PLAIN_IMAGES = 8
"""Without foreign code; nothing may be named in them."""
KNOWN = mcu_sources.PACK_TOOLCHAINS
UNKNOWN = (
    Toolchain("gcc", "-O3", "cortex-m4"),
    Toolchain("gcc", "-O1", "cortex-m3"),
    Toolchain("gcc", "-Og", "cortex-m4"),
    Toolchain("gcc", "-Os", "cortex-m33"),
    Toolchain("clang", "-O3", "cortex-m33"),
    Toolchain("clang", "-Oz", "cortex-m0plus"),
    Toolchain("clang", "-O1", "cortex-m3"),
    Toolchain("gcc", "-O2", "cortex-m7"),
    Toolchain("gcc", "-O3", "cortex-m0plus"),
)
UNKNOWN_FLAGS = ((), ("-fno-jump-tables",), ("-fno-inline-small-functions",), ("-DNDEBUG",))
BASES = (0x0800_0000, 0x0800_4000, 0x0, 0x1_C000, 0x2_6000, 0x1000_0000, 0x6000_2000)
ENTRIES: Mapping[str, str] = {
    "lwip": (
        "lwip_init netif_add netif_set_up dhcp_start dns_gethostbyname udp_new udp_sendto tcp_new tcp_bind "
        "tcp_listen_with_backlog tcp_write tcp_output tcp_close tcp_recved ethernet_input etharp_output "
        "sys_check_timeouts netconn_new_with_proto_and_callback netconn_write_partly lwip_socket lwip_recvfrom "
        "tcpip_init"
    ),
    "mbedtls": (
        "mbedtls_ssl_handshake mbedtls_ssl_read mbedtls_ssl_write mbedtls_ssl_config_defaults "
        "mbedtls_x509_crt_parse mbedtls_ctr_drbg_random mbedtls_pk_parse_key mbedtls_sha256 "
        "mbedtls_gcm_auth_decrypt mbedtls_ecdsa_read_signature"
    ),
    "wolfssl": (
        "wolfSSL_new wolfSSL_connect wolfSSL_read wolfSSL_write wolfSSL_CTX_load_verify_buffer wolfSSL_CTX_new "
        "wc_AesGcmEncrypt wc_Sha256Final wc_ecc_verify_hash wc_ed25519_verify_msg wolfTLSv1_2_client_method"
    ),
    "cjson": (
        "cJSON_Parse cJSON_PrintUnformatted cJSON_GetObjectItem cJSON_AddNumberToObject cJSON_CreateObject "
        "cJSON_Delete cJSON_InsertItemInArray cJSON_SetValuestring cJSON_Minify"
    ),
    "zlib": "inflate inflateInit2_ inflateEnd deflate deflateInit2_ deflateEnd crc32 adler32",
    "nanopb": (
        "pb_decode pb_encode pb_istream_from_buffer pb_ostream_from_buffer pb_get_encoded_size pb_encode_submessage"
    ),
    "bearssl": (
        "br_ssl_client_init_full br_sslio_read br_sslio_write br_x509_minimal_init_full br_aes_ct_ctrcbc_decrypt "
        "br_ssl_client_reset br_sslio_init"
    ),
    "tinycbor": (
        "cbor_parser_init cbor_value_advance cbor_encoder_create_map cbor_encode_text_string cbor_value_validate "
        "_cbor_value_copy_string cbor_encode_floating_point cbor_value_map_find_value"
    ),
    "lz4": "LZ4_decompress_safe LZ4_compress_default LZ4F_decompress LZ4F_createDecompressionContext",
    "zstd": "ZSTD_decompress ZSTD_decompressStream ZSTD_createDStream",
    "libcbor": "cbor_load cbor_serialize cbor_new_definite_map cbor_map_add cbor_build_string cbor_decref",
    "heatshrink": (
        "heatshrink_decoder_sink heatshrink_decoder_poll heatshrink_decoder_finish heatshrink_encoder_sink "
        "heatshrink_encoder_poll heatshrink_encoder_finish heatshrink_decoder_reset heatshrink_encoder_reset"
    ),
    "protobuf-c": (
        "protobuf_c_message_unpack protobuf_c_message_pack protobuf_c_message_free_unpacked "
        "protobuf_c_message_get_packed_size protobuf_c_message_check"
    ),
    "lua": (
        "lua_newstate luaL_newstate luaL_loadbufferx luaL_loadbuffer lua_pcallk lua_pcall luaopen_base "
        "luaopen_string luaopen_table"
    ),
    "expat": "XML_ParserCreate XML_Parse XML_SetElementHandler XML_ParserFree XML_GetBuffer XML_ParseBuffer",
    "littlefs": (
        "lfs_mount lfs_format lfs_file_open lfs_file_opencfg lfs_file_read lfs_file_write lfs_file_close "
        "lfs_dir_read lfs_dir_open lfs_rename lfs_remove lfs_stat"
    ),
    "monocypher": (
        "crypto_aead_lock crypto_aead_unlock crypto_lock crypto_unlock crypto_x25519 crypto_eddsa_check "
        "crypto_check crypto_argon2 crypto_blake2b"
    ),
    "freertos": (
        "xTaskCreate vTaskStartScheduler vTaskDelay vTaskDelete xQueueGenericCreate xQueueGenericSend "
        "xQueueGenericReceive xTimerCreate xTimerGenericCommand xEventGroupCreate xEventGroupWaitBits pvPortMalloc "
        "vPortFree xTaskIncrementTick"
    ),
    "tinyusb": (
        "tusb_rhport_init tusb_int_handler tud_task_ext tud_cdc_n_write tud_cdc_n_read tud_hid_n_report "
        "tud_vendor_n_write tuh_task_ext tuh_descriptor_get tuh_hid_receive_report"
    ),
    "micro-ecc": "uECC_make_key uECC_sign uECC_verify uECC_shared_secret uECC_compress uECC_decompress",
    "fatfs": "f_mount f_open f_read f_write f_close f_opendir f_readdir f_unlink f_mkdir f_lseek",
}
"""What a program calls of each library; the linker throws the rest away."""
WITH_C_LIBRARY = 0.4
FEWEST_FUNCTIONS = 3
"""Of a library that must be in the linked program to be looked for."""
C_LIBRARY = "printf sprintf strtol malloc free qsort"
HEAD = """typedef unsigned u; typedef unsigned char b; volatile u *const io = (u *)0x40011000; u tick;
struct s { u a, c; b d, e; short f; struct s *next; b data[24]; };"""
SHAPES = (
    """int f{n}(struct s *p, u x) {{
  if (p->a > {k}) {{ p->c = x * {m} + p->f; return f{o}(p, x ^ {k}); }}
  p->d++; return p->c >> {w}; }}""",
    """int f{n}(struct s *p, u x) {{
  for (u i = 0; i < {w}; i++) {{ p->data[i] ^= (b)(x >> i); x += f{o}(p, i) & {k}; }}
  return x; }}""",
    """int f{n}(struct s *p, u x) {{
  switch (p->e) {{
    case 0: io[{w}] = x; p->e = 1; break;
    case 1: if (io[{v}] & {k}) p->e = 2; break;
    case 2: p->a = io[{w}] * {m}; p->e = 3; break;
    case 3: f{o}(p, x); /* fall */
    default: p->e = 0; }}
  return p->e; }}""",
    """int f{n}(struct s *p, u x) {{
  struct s *q = p; u t = 0;
  while (q && t < {k}) {{ t += q->f * {m}; q = q->next; }}
  io[{v}] = t; return f{o}(p, t); }}""",
    """int f{n}(struct s *p, u x) {{
  static u last[{w}]; u sum = x;
  for (u i = {w} - 1; i; i--) {{ last[i] = last[i - 1]; sum += last[i]; }}
  last[0] = x; if (sum / {w} > {k}) io[{v}] = 1;
  return sum / {w}; }}""",
    """int f{n}(struct s *p, u x) {{
  while (!(io[{v}] & (1u << {w}))) if (tick > {k}) return -1;
  io[{w}] = x; p->f = (short)(x * {m} / {k}); return p->f; }}""",
)
"""Functions as device programs have them; the numbers are drawn."""
BOUNDS = {
    "component recall": (0.90, ">="),
    "precision": (0.98, ">="),
    "true version in set": (0.85, ">="),
    "mean set size": (2.5, "<="),
    "exact version": (0.70, ">="),
    "likeliest version right": (0.70, ">="),
    "seconds per 256 KiB": (2.0, "<="),
    "peak MB": (500, "<="),
}


@dataclass(frozen=True)
class Part:
    """One library in an image."""

    source: Source
    configuration: Configuration

    @property
    def title(self) -> str:
        """For the table."""
        return f"{self.source.recipe.component} {self.source.version}"


@dataclass(frozen=True)
class Plan:
    """One image to build."""

    name: str
    toolchain: Toolchain
    parts: tuple[Part, ...]
    base: int
    known: bool
    c_library: bool


@dataclass
class Score:
    """What was counted."""

    wanted: int = 0
    found: int = 0
    versioned: int = 0
    """Of those found, with a version that is known to be right."""
    first: int = 0
    claims: int = 0
    wrong: int = 0
    held: int = 0
    exact: int = 0
    set_sizes: list[int] = field(default_factory=list)
    worst_seconds: float = 0.0

    def __add__(self, other: Score) -> Score:
        """Return what was counted in both."""
        both = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return Score(**both | {"worst_seconds": max(self.worst_seconds, other.worst_seconds)})

    def figures(self) -> dict[str, float]:
        """Return the figures that ``BOUNDS`` names."""
        found = max(1, self.versioned)
        return {
            "component recall": self.found / max(1, self.wanted),
            "precision": 1 - self.wrong / max(1, self.claims),
            "true version in set": self.held / found,
            "mean set size": sum(self.set_sizes) / max(1, len(self.set_sizes)),
            "exact version": self.exact / found,
            "likeliest version right": self.first / found,
            "seconds per 256 KiB": self.worst_seconds,
            "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def plans(seed: int, components: Sequence[str]) -> Iterator[Plan]:
    """Yield what to build: different for each seed, the same for equal ones."""
    chance = random.Random(seed)  # noqa: S311  # a repeatable choice
    known = {r.component: list(mcu_sources.sources(r)) for r in mcu_sources.recipes() if r.component in components}
    deck: list[str] = []
    for number in range(IMAGES):
        is_known = number % 4 != 3
        toolchain = chance.choice(KNOWN) if is_known else UNKNOWN[number // 4 % len(UNKNOWN)]
        parts: list[Part] = []
        for _ in range(chance.randint(1, 4)):
            deck = deck or chance.sample(sorted(known), len(known))
            part = _part(chance, known[deck.pop()], known=is_known)
            if all(p.source.recipe is not part.source.recipe for p in parts):
                parts.append(part)
        base, c_library = chance.choice(BASES), chance.random() < WITH_C_LIBRARY
        yield Plan(f"image-{number:02}", toolchain, tuple(parts), base, is_known, c_library)
    for number in range(PLAIN_IMAGES):
        toolchain = (KNOWN + UNKNOWN)[number * 2]
        yield Plan(f"plain-{number:02}", toolchain, (), chance.choice(BASES), known=True, c_library=False)


def _part(chance: random.Random, sources: Sequence[Source], *, known: bool) -> Part:
    source = chance.choice(sources)
    configuration = chance.choice(source.recipe.configurations)
    if not known:
        flags = (*configuration.flags, *chance.choice(UNKNOWN_FLAGS))
        configuration = Configuration(configuration.name, flags, configuration.headers)
    return Part(source, configuration)


def own_code(chance: random.Random, functions: int) -> str:
    """Write a program of our own in C: drivers, state machines and filters with numbers drawn by chance."""
    text = [HEAD]
    text += [f"int f{n}(struct s *, u);" for n in range(functions)]
    for n in range(functions):
        numbers = {
            "k": chance.randint(5, 5000),
            "m": chance.randint(3, 900),
            "w": chance.randint(3, 14),
            "v": chance.randint(0, 60),
        }
        text.append(chance.choice(SHAPES).format(n=n, o=chance.randrange(functions), **numbers))
    calls = " ".join(f"r += f{n}(&one, r);" for n in range(functions))
    text.append(f"struct s one; int main(void) {{ int r = 0; for (;;) {{ {calls} tick++; }} }}")
    return "\n".join(text)


START = """extern int main(void); extern unsigned top;
void reset(void) { for (int i = 0; used[i]; i++) used[i](); main(); }
void stop(void) { for (;;); }
__attribute__((section(".vectors"), used)) void *const vectors[48] = {
  &top, reset, stop, stop, stop, stop, stop, 0, 0, 0, 0, stop, stop, 0, stop, stop, stop, stop };
"""
SCRIPT = """MEMORY { rom (rx) : ORIGIN = %#x, LENGTH = 4M ram (rw) : ORIGIN = 0x20000000, LENGTH = 1M }
top = 0x20010000; end = 0x20008000;
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) } >rom
  .ARM : { *(.ARM*) } >rom
  .data : { *(.data*) } >ram AT>rom
  .bss : { *(.bss*) *(COMMON) } >ram
  /DISCARD/ : { *(.comment) *(.note*) } }
"""
LINK = (
    *("arm-none-eabi-gcc", "-nostartfiles", "-mthumb", "-mfloat-abi=soft", "--specs=nano.specs", "--specs=nosys.specs"),
    *("-Wl,--gc-sections,--unresolved-symbols=ignore-all,--no-warn-mismatch,-e,reset", "-Timage.ld"),
)


def build(plan: Plan, seed: int) -> Path:
    """Return the stripped image, built when it is not there."""
    place = CACHE / "images" / f"{seed}" / plan.name
    target = place.with_suffix(".bin")
    if target.exists() and (place / "inside.json").exists():
        return target
    place.mkdir(parents=True, exist_ok=True)
    linked = [o for part in plan.parts for o in mcu_sources.objects(part.source, plan.toolchain, part.configuration)]
    chance = random.Random(f"{seed} {plan.name}")  # noqa: S311  # a repeatable choice
    used = [e for part in plan.parts for e in ENTRIES[part.source.recipe.component].split()]
    used += C_LIBRARY.split() if plan.c_library else []
    calls = "".join(f"extern void {e}(void); " for e in used)
    calls += "void (*const used[])(void) = {" + "".join(f"{e}, " for e in used) + "0};\n"
    own: list[str] = []
    for name, text in (("start", calls + START), ("own", own_code(chance, chance.randint(60, 160)))):
        (place / f"{name}.c").write_text(text, encoding="utf-8")
        run([*plan.toolchain.command(), "-fno-builtin", f"{name}.c", "-o", f"{name}.o"], place)
        own.append(str(place / f"{name}.o"))
    (place / "image.ld").write_text(SCRIPT % plan.base, encoding="utf-8")
    (place / "objects.txt").write_text("\n".join([*own, *map(str, linked)]), encoding="utf-8")
    run([*LINK, f"-mcpu={plan.toolchain.cpu}", "@objects.txt", "-o", "image.elf"], place)
    inside = {part.source.recipe.component: _linked(part, plan, place / "image.elf") for part in plan.parts}
    (place / "inside.json").write_text(json.dumps(inside), encoding="utf-8")
    run(["arm-none-eabi-objcopy", "-S", "-O", "binary", "image.elf", str(target)], place)
    return target


def _linked(part: Part, plan: Plan, program: Path) -> int:
    """Return how many functions of a library are in the linked program: the linker may have thrown all of it away."""
    files = mcu_sources.objects(part.source, plan.toolchain, part.configuration)
    names = {function.name for path in files for function in functions_of(Window.of(path.read_bytes()))}
    return len(names & {function.name for function in functions_of(Window.of(program.read_bytes()))})


def judge(plan: Plan, path: Path, index: Index, score: Score) -> None:
    """Look for libraries in one image and count what was right."""
    data = path.read_bytes()
    started = time.process_time()
    code = Code(view=memoryview(data), base=plan.base)
    found = {c.name: c for c in components_in(code, index, functions_by_trust(code)) if not c.toolchain}
    seconds = time.process_time() - started
    score.worst_seconds = max(score.worst_seconds, seconds / max(1.0, len(data) / (256 << 10)))
    inside = json.loads((path.with_suffix("") / "inside.json").read_text(encoding="utf-8"))
    versions = {part.source.recipe.component: part.source.version or None for part in plan.parts}
    wanted = {name: v for name, v in versions.items() if inside[name] >= FEWEST_FUNCTIONS}
    neutral = {name for name in versions if name not in wanted}
    neutral |= {"newlib"} if plan.parts and not plan.c_library else set()
    wanted |= {"newlib": None} if plan.c_library else {}
    notes = [_count(found.get(name), name, version, score) for name, version in wanted.items()]
    extra = [found[name] for name in found if name not in wanted and name not in neutral]
    score.claims += len(found.keys() - neutral)
    score.wrong += len(extra)
    notes += [f"WRONG {c.name} ({len(c.functions)} functions, {c.strength:.1f})" for c in extra]
    remarks = "; ".join(filter(None, notes)) or "right"
    titles = ", ".join(p.title for p in plan.parts) or "own code only"
    size = f"{len(data) >> 10} KiB"
    print(f"| {plan.name} | {plan.toolchain.name} | {size} | {seconds:.2f} s | {titles} | {remarks} |", flush=True)


def _count(found: FoundComponent | None, name: str, version: str | None, score: Score) -> str:
    """Count one library that is in the image, and return what to say about it; nothing when all is right."""
    score.wanted += 1
    if found is None:
        return f"MISSED {name}"
    score.found += 1
    if version is None:
        return ""
    score.versioned += 1
    score.held += version in found.versions
    score.exact += found.versions == (version,)
    score.first += found.versions[:1] == (version,)
    score.set_sizes.append(len(found.versions))
    likely = ", ".join(f"{v} {share:.0%}" for v, share in list(found.likelihoods.items())[:4])
    return "" if found.versions == (version,) else f"{name} {version}: {likely or 'unknown'}"


def main() -> int:
    """Build, look and count; 1 when a bound is missed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=1)
    seed = arguments.parse_args().seed
    index = Index(shipped_packs())
    components = {c.name for pack in index.packs for c in pack.meta.components}
    known, other = Score(), Score()
    for plan in plans(seed, sorted(components)):
        try:
            judge(plan, build(plan, seed), index, known if plan.known else other)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"{plan.name}: {error}", file=sys.stderr)
    groups = [group.figures() for group in (known + other, known, other)]
    print("| figure | bound | all | compilers in the packs | other compilers | verdict |\n|---|---|---|---|---|---|")
    missed = 0
    for name, (bound, sign) in BOUNDS.items():
        values = [group[name] for group in groups]
        right = values[0] >= bound if sign == ">=" else values[0] <= bound
        missed += not right
        print(
            f"| {name} | {sign} {bound} | {' | '.join(f'{v:.3f}' for v in values)} | {'right' if right else 'MISSED'} |"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
