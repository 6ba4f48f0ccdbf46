"""Spellings of a card, its known faults and defaults, and version ranges mean what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwcompat import knownfaults, model, tables, target
from hwcompat.errors import UsageError
from hwcompat.probes import catalogue
from hwcompat.tablerows import cuda_version, in_range

MATRIX = Path(__file__).resolve().parents[1] / "matrix"


@pytest.fixture(scope="module")
def known() -> tables.Tables:
    return tables.load_tables(MATRIX)


# --- cards ------------------------------------------------------------------------------------------------------------


def test_a_pci_device_lies_on_one_chip_and_a_chip_has_one_capability(known: tables.Tables) -> None:
    for pci_id, cards in known.card_index.by_pci.items():
        assert len({card.chip for card in cards}) == 1, pci_id
    capabilities = {(card.chip, card.compute_capability) for card in known.cards}
    assert len(capabilities) == len({chip for chip, _ in capabilities})


def test_turing_chips_without_any_tensor_core_card_are_tu116_and_tu117(known: tables.Tables) -> None:
    turing = {card.chip for card in known.cards if card.architecture == "Turing"}
    assert turing - {card.chip for card in known.cards if card.tensor_cores} == {"TU116", "TU117"}


@pytest.mark.parametrize(
    ("text", "chip", "capability"),
    [
        ("NVIDIA GeForce GTX 1660 Ti", "TU116", "7.5"),
        ("gtx 1660 ti", "TU116", "7.5"),
        ("GeForce-GTX-1660-Ti", "TU116", "7.5"),
        ("GTX1660Ti", "TU116", "7.5"),
        ("GTX 1660 Ti 6GB", "TU116", "7.5"),
        ("TU116 [GeForce GTX 1660 Ti]", "TU116", "7.5"),
        ("TU116M [GeForce GTX 1660 Ti Mobile]", "TU116", "7.5"),
        ("NVIDIA Corporation TU117M [GeForce GTX 1650 Mobile / Max-Q]", "TU117", "7.5"),
        ("10de:2182", "TU116", "7.5"),
        ("10DE:2191:1028:0949", "TU116", "7.5"),
        ("NVIDIA T1000", "TU117", "7.5"),
        ("Quadro T1000", "TU117", "7.5"),
        ("P100", "GP100", "6.0"),
        ("Tesla P100-PCIE-16GB", "GP100", "6.0"),
        ("Tesla V100-SXM2-16GB", "GV100", "7.0"),
        ("Tesla T4", "TU104", "7.5"),
        ("A100", "GA100", "8.0"),
        ("NVIDIA A100-SXM4-80GB", "GA100", "8.0"),
        ("NVIDIA H100 80GB HBM3", "GH100", "9.0"),
        ("RTX 4090 Laptop GPU", "AD103", "8.9"),
        ("RTX 4090", "AD102", "8.9"),
        ("NVIDIA GeForce RTX 5090", "GB202", "12.0"),
        ("NVIDIA TITAN X (Pascal)", "GP102", "6.1"),
        ("P100 PCIe", "GP100", "6.0"),
        ("geforce rtx 4090", "AD102", "8.9"),
        ("GTX1080Ti", "GP102", "6.1"),
        ("A100 80GB", "GA100", "8.0"),
        ("H100 SXM", "GH100", "9.0"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "GH100", "9.0"),
        ("A6000", "GA102", "8.6"),
        ("RTX 6000 Ada", "AD102", "8.9"),
        ("Quadro RTX 6000", "TU102", "7.5"),
        ("RTX PRO 6000", "GB202", "12.0"),
        ("NVIDIA(R) GeForce(TM) RTX(TM) 4090", "AD102", "8.9"),
        ("01:00.0 VGA compatible controller: NVIDIA Corporation GP102 [GeForce GTX 1080 Ti] (rev a1)", "GP102", "6.1"),
        ("RX 7900 XTX", None, "gfx1100"),
        ("AMD Radeon RX 7900 XTX", None, "gfx1100"),
        ("radeon rx-6600-xt", None, "gfx1032"),
        ("MI300X", None, "gfx942"),
        ("sm_75", None, "7.5"),
        ("sm_90a", None, "9.0"),
        ("7.5", None, "7.5"),
        ("compute_120", None, "12.0"),
        ("gfx1100", None, "gfx1100"),
        ("gfx90a", None, "gfx90a"),
    ],
)
def test_a_card_is_found_by_any_of_its_spellings(
    known: tables.Tables, text: str, chip: str | None, capability: str
) -> None:
    [gpu] = tables.resolve_gpu(text, known)
    assert (gpu.chip, gpu.compute_capability) == (chip, capability)


@pytest.mark.parametrize("text", ["rtx-3060-ti", "NVIDIA GeForce RTX 3060 Ti", "RTX 3060 Ti 8GB", "geforce rtx3060ti"])
def test_all_spellings_of_a_name_on_several_chips_give_the_same_chips(known: tables.Tables, text: str) -> None:
    assert {gpu.chip for gpu in tables.resolve_gpu(text, known)} == {"GA103", "GA104"}


def test_a_mig_slice_is_known_by_its_profile_and_size(known: tables.Tables) -> None:
    [gpu] = tables.resolve_gpu("NVIDIA A100-SXM4-40GB MIG 1g.5gb", known)
    assert (gpu.chip, gpu.mig_profile, gpu.vram_bytes) == ("GA100", "1g.5gb", 5 * 2**30)
    assert tables.resolve_gpu("NVIDIA A100-SXM4-40GB", known)[0].mig_profile is None


@pytest.mark.parametrize("text", ["M2", "Apple M2", "apple m2 ultra", "M4 Max"])
def test_apples_cards_are_found(known: tables.Tables, text: str) -> None:
    [gpu] = tables.resolve_gpu(text, known)
    assert (gpu.vendor, gpu.compute_capability) == ("apple", None)


def test_a_name_that_two_makers_use_means_the_one_of_that_system(known: tables.Tables) -> None:
    assert {gpu.vendor for gpu in tables.resolve_gpu("M4", known)} == {"nvidia", "apple"}
    assert {gpu.vendor for gpu in tables.resolve_gpu("Tesla M4", known)} == {"nvidia"}
    assert {gpu.vendor for gpu in tables.resolve_gpu("Apple M4", known)} == {"apple"}
    with pytest.raises(UsageError):
        tables.resolve_gpu("NVIDIA M2", known)
    for system, arch, vendor in (("macos", "arm64", "apple"), ("linux", "x86_64", "nvidia")):
        words = {"driver": None, "os": system, "arch": arch, "python": "3.11", "wsl": False, "tables": known}
        assert [gpu.vendor for gpu in target.of_words(["M4"], **words).gpus] == [vendor]


def test_the_other_makers_names_are_sourced_and_none_hides_another_card(known: tables.Tables) -> None:
    lines = (MATRIX / "other_gpus.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "name,vendor,target,source,verified,note"
    assert len(known.other_gpus) == len(lines) - 1
    targets = {gpu.compute_capability for gpu in known.other_gpus.values() if gpu.vendor == "amd"}
    assert all(re.fullmatch(r"gfx[0-9a-f]{3,4}", target or "") for target in targets)
    assert all("https://" in line for line in lines[1:])
    taken = {name for name in known.other_gpus if tables.find_cards(name, known)}
    assert taken == {"m4"}


def test_a_folder_may_lack_the_other_makers_and_a_bad_row_is_reported(tmp_path: Path) -> None:
    for source in MATRIX.glob("*.*"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    bad = "name,vendor,target,source,verified,note\nAMD Radeon X,amd,1100,https://a.example,yes,\n"
    (tmp_path / "other_gpus.csv").write_text(bad, encoding="utf-8")
    [warning] = [each for each in tables.Tables((tmp_path,)).warnings if "other_gpus" in each]
    assert "other_gpus.csv:2: target: '1100' is not a target" in warning
    (tmp_path / "other_gpus.csv").unlink()
    assert tables.Tables((tmp_path,)).other_gpus == {}


def test_every_card_is_found_by_its_own_name_and_pci_ids(known: tables.Tables) -> None:
    for card in known.cards:
        assert card.chip in {gpu.chip for gpu in tables.resolve_gpu(card.name, known)}, card.name
        assert all(tables.chip_of(pci_id, None, known) == card.chip for pci_id in card.pci_ids)


def test_a_name_sold_on_several_chips_gives_all_of_them(known: tables.Tables) -> None:
    found = tables.resolve_gpu("NVIDIA GeForce GTX 1650", known)
    assert {gpu.chip for gpu in found} == {"TU106", "TU116", "TU117"}
    assert {gpu.pci_id for gpu in found} == {"10de:1f0a", "10de:2188", None}  # TU117 has six ids
    assert tables.chip_of(None, "NVIDIA GeForce GTX 1650", known) is None
    assert tables.chip_of("10de:2188", "NVIDIA GeForce GTX 1650", known) == "TU116"


def test_words_for_no_card(known: tables.Tables) -> None:
    assert tables.resolve_gpu("cpu", known) == ()
    [apple] = tables.resolve_gpu("MPS", known)
    assert apple.vendor == "apple"


def test_memory_is_known_only_where_the_text_says_it(known: tables.Tables) -> None:
    assert tables.resolve_gpu("Tesla P40 24GB", known)[0].vram_bytes == 24 * 2**30
    assert tables.resolve_gpu("Tesla P40", known)[0].vram_bytes is None
    assert tables.resolve_gpu("NVIDIA GH200 480GB", known)[0].vram_bytes is None  # 96 GB, beside 480 GB of the CPU
    sizes = {card.name: card.vram_gb for card in known.cards if card.vram_gb}
    for name, named in ((name, tables.resolve_gpu(name, known)[0].vram_bytes) for name in sizes):
        assert named is None or ("gb" in name.lower() and named // 2**30 in sizes[name]), name


@pytest.mark.parametrize(
    "text",
    ["GTX 1660 Tie", "1660", "RTX 4090 Max", "GTX 16", "NVIDIA", "gfx110X", "10de:ffff", "Titan", "RTX", "T4 T4", "x"],
)
def test_an_unknown_card_is_never_taken_for_another(known: tables.Tables, text: str) -> None:
    with pytest.raises(UsageError) as error:
        tables.resolve_gpu(text, known)
    assert error.value.hint


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("4090", "NVIDIA GeForce RTX 4090"), ("1080ti", "NVIDIA GeForce GTX 1080 Ti"), ("Orin N", "Jetson Orin NX")],
)
def test_a_part_of_a_name_gets_the_names_that_hold_it(known: tables.Tables, text: str, nearest: str) -> None:
    with pytest.raises(UsageError) as error:
        tables.resolve_gpu(text, known)
    assert nearest in error.value.hint


def test_an_unknown_card_gets_the_three_nearest_names(known: tables.Tables) -> None:
    with pytest.raises(UsageError) as error:
        tables.resolve_gpu("GTX 1660 Tie", known)
    assert "NVIDIA GeForce GTX 1660 Ti" in error.value.hint
    assert error.value.hint.count(";") == 2


@pytest.mark.parametrize(("text", "nearest"), [("9.9", "10.0"), ("sm_76", "7.5"), ("1.0", "3.0")])
def test_an_impossible_capability_gets_the_nearest_real_ones(known: tables.Tables, text: str, nearest: str) -> None:
    with pytest.raises(UsageError) as error:
        tables.resolve_gpu(text, known)
    assert nearest in error.value.hint


def test_an_empty_name_is_a_usage_error(known: tables.Tables) -> None:
    with pytest.raises(UsageError, match="empty"):
        tables.resolve_gpu("  ", known)


@given(st.text(max_size=40))
def test_any_text_gives_cards_or_one_usage_error(text: str) -> None:
    try:
        found = tables.resolve_gpu(text, tables.load_tables(MATRIX))
    except UsageError:
        return
    assert all(isinstance(gpu, model.Gpu) for gpu in found)


@given(st.sampled_from(range(500)), st.sampled_from(["upper", "lower", "dashed", "glued"]))
def test_case_dashes_and_brand_do_not_change_the_card(number: int, change: str) -> None:
    known = tables.load_tables(MATRIX)
    name = known.cards[number].name
    bare = name.replace("NVIDIA ", "").replace("GeForce ", "").replace("Tesla ", "")
    changed = {
        "upper": name.upper(),
        "lower": bare.lower(),
        "dashed": bare.replace(" ", "-"),
        "glued": bare.replace(" ", ""),
    }[change]
    if change == "glued" and re.search("design|gpu|mobile|pcie|sxm", changed, re.IGNORECASE):
        return  # a word that is left out or renamed cannot be seen inside a longer one
    found = [gpu for gpu in tables.resolve_gpu(changed, known) if gpu.vendor == "nvidia"]  # "M4" is Apple's too
    assert {gpu.chip for gpu in found} == {gpu.chip for gpu in tables.resolve_gpu(name, known)}


# --- faults and defaults ----------------------------------------------------------------------------------------------


def gpu_of(text: str, known: tables.Tables) -> model.Gpu:
    return tables.resolve_gpu(text, known)[0]


def fault_ids(text: str, known: tables.Tables, **build: str) -> set[str]:
    return {fault.id for fault in knownfaults.faults_for(gpu_of(text, known), tables=known, **build)}


def test_the_fp16_faults_of_tu116_hold_from_cuda_11_and_for_an_unknown_build(known: tables.Tables) -> None:
    both = {"tu11x-fp16-conv", "tu11x-fp16-gemm-slow"}
    assert both <= fault_ids("10de:2182", known, torch="2.14.1", cuda="cu126", os="windows")
    assert both <= fault_ids("10de:2182", known)
    assert "tu11x-fp16-conv" not in fault_ids("10de:2182", known, torch="1.10.0", cuda="cu102")


@pytest.mark.parametrize("text", ["RTX 2080", "10de:1f0a", "Tesla T4", "RTX 4090", "P100"])
def test_the_tu116_faults_are_not_blamed_on_other_turing_cards(known: tables.Tables, text: str) -> None:
    assert not {fault for fault in fault_ids(text, known, cuda="cu126") if fault.startswith("tu11x")}


def test_a_caution_needs_a_known_build_and_ends_with_its_range(known: tables.Tables) -> None:
    name = "cudnn-sdpa-hopper-nan-gradient"
    assert name in fault_ids("NVIDIA H200", known, torch="2.13.0+cu130", cuda="13.0")
    assert name not in fault_ids("NVIDIA H200", known, torch="2.10.0")
    assert name not in fault_ids("NVIDIA H200", known, torch="2.14.0")
    assert name not in fault_ids("NVIDIA H200", known)
    assert name not in fault_ids("RTX 4090", known, torch="2.13.0")


def test_a_cpu_has_no_graphics_card_fault(known: tables.Tables) -> None:
    assert knownfaults.faults_for(None, torch="2.13.0", cuda="cpu", tables=known) == ()


def test_fault_entries_name_real_chips_and_capabilities(known: tables.Tables) -> None:
    for fault in known.faults:
        assert set(fault.chips) <= {card.chip for card in known.cards}, fault.id
        numbers = {c for c in fault.compute_capabilities if not c.startswith("gfx")}
        assert numbers <= {card.compute_capability for card in known.cards}, fault.id
        assert all(url.startswith("https://") for url in fault.citations), fault.id


def test_faults_name_probes_that_exist(known: tables.Tables) -> None:
    probes = {probe.id for probe in catalogue.listing()}
    assert {probe for fault in known.faults for probe in fault.detected_by} <= probes
    assert all(fault.detected_by for fault in known.faults if "TU116" in fault.chips)


def test_only_faults_worth_avoiding_a_build_say_so(known: tables.Tables) -> None:
    assert {fault.id for fault in known.faults if fault.effect == "avoid"} == {
        "torch250-cudnn-sdpa-hopper",
        "pascal-cuda11-matmul-zeros",
        "h20-cuda121-matmul-dies",
    }


@pytest.mark.parametrize(
    ("text", "fp16_gemm", "default_amp"),
    [
        ("GTX 1660 Ti", "emulated", "off"),
        ("NVIDIA T1000", "emulated", "off"),
        ("RTX 2080", "native", "float16"),
        ("10de:1f0a", "unknown", "unknown"),
        ("NVIDIA CMP 40HX", "unknown", "unknown"),
        ("GTX 1080 Ti", "fp32-rate", "off"),
        ("P100", "fp32-rate", "off"),
        ("Tesla M40", "fp32-rate", "off"),
        ("Tesla V100-SXM2-16GB", "native", "float16"),
        ("RTX 3090", "native", "bfloat16"),
        ("RTX 5090", "native", "bfloat16"),
        ("7.5", "unknown", "off"),
        ("8.6", "native", "bfloat16"),
        ("Jetson AGX Orin", "unknown", "unknown"),
        ("gfx1100", "unknown", "unknown"),
        ("mps", "unknown", "unknown"),
    ],
)
def test_the_most_specific_default_counts(known: tables.Tables, text: str, fp16_gemm: str, default_amp: str) -> None:
    default = tables.default_for(gpu_of(text, known), known)
    assert default is not None
    assert (default.fp16_gemm, default.default_amp) == (fp16_gemm, default_amp)


def test_every_card_has_a_default_and_bf16_is_default_only_where_native(known: tables.Tables) -> None:
    for card in known.cards:
        gpu = model.Gpu(name=card.name, chip=card.chip, compute_capability=card.compute_capability)
        default = tables.default_for(gpu, known)
        assert default is not None
        assert default.match != "device", card.name
        assert default.default_amp != "bfloat16" or (default.bf16 == "native" and card.bf16_native), card.name


def test_every_mining_card_of_turing_and_later_is_unknown(known: tables.Tables) -> None:
    later = {"Volta", "Turing", "Ampere"}
    for card in known.cards:
        if card.segment == "cmp" and card.architecture in later and card.chip not in ("TU116", "TU117"):
            gpu = model.Gpu(name=card.name, chip=card.chip, pci_id=card.pci_ids[0])
            default = tables.default_for(gpu, known)
            assert default is not None
            assert default.default_amp == "unknown", card.name


# --- version ranges ---------------------------------------------------------------------------------------------------

VERSIONS = st.lists(st.integers(0, 30), min_size=1, max_size=4)


def dotted(parts: list[int]) -> str:
    return ".".join(map(str, parts))


def padded(parts: list[int]) -> list[int]:
    return parts + [0] * (4 - len(parts))


@given(VERSIONS, VERSIONS, st.sampled_from([">=", "<=", ">", "<", "==", "!="]))
def test_a_range_compares_as_lists_of_numbers_do(version: list[int], bound: list[int], operator: str) -> None:
    a, b = padded(version), padded(bound)
    expected = {">=": a >= b, "<=": a <= b, ">": a > b, "<": a < b, "==": a == b, "!=": a != b}[operator]
    assert in_range(dotted(version) + "+cu126", operator + dotted(bound)) is expected


@given(VERSIONS, VERSIONS, VERSIONS)
def test_a_range_of_two_parts_is_both_of_them(version: list[int], low: list[int], high: list[int]) -> None:
    v, lo, hi = dotted(version), ">=" + dotted(low), "<" + dotted(high)
    assert in_range(v, f"{lo},{hi}") is (in_range(v, lo) and in_range(v, hi))


@given(VERSIONS)
def test_trailing_zeros_mean_nothing(version: list[int]) -> None:
    assert in_range(dotted(version), "==" + dotted([*version, 0, 0]))


@pytest.mark.parametrize("wanted", ["2.11", ">=", "~=2.1", ">=2.x", ">=2.1,,<3", ">=2.1;<3"])
def test_what_is_no_range_is_refused(wanted: str) -> None:
    with pytest.raises(ValueError, match="not a version range"):
        in_range("2.11", wanted)


@pytest.mark.parametrize(
    ("tag", "version"), [("cu126", "12.6"), ("cu92", "9.2"), ("12.6", "12.6"), ("cpu", ""), ("rocm6.2", ""), ("", "")]
)
def test_tags_of_cuda(tag: str, version: str) -> None:
    assert cuda_version(tag) == version
