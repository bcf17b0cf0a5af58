"""What each release of vLLM serves: a table, because importing vLLM takes seconds and loads torch.

The names are those of text models in vLLM's registry, without "ForCausalLM". A test compares the row of the installed
release with vLLM itself. To add a release, copy the newest row and correct it until that test passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
_ADAPTERS = """
    AXK1 Afmoe Apertus Arcee BailingMoe BailingMoeV2 Cohere Cohere2 Cwm DeciLM Deepseek DeepseekV2 DeepseekV3
    DeepseekV32 Ernie4_5 Ernie4_5_Moe Exaone Exaone4 ExaoneMoE ExaoneMoe FalconH1 FlexOlmo GPTBigCode GPTNeoX Gemma
    Gemma2 Gemma3 Gemma4 Glm Glm4 Glm4Moe Glm4MoeLite GlmMoeDsa GptOss Granite GraniteMoe GraniteMoeHybrid
    GraniteMoeSWA GraniteMoeShared GraniteSWA HYV3 HYV4 HunYuanDenseV1 HunYuanMoEV1 HyperCLOVAX IQuestCoder Inkling
    InternLM2 InternLM3 Jais2 Jamba K2Horizon LLaMA Laguna Lfm2 Lfm2Moe Llama Llama4 LongcatFlash LongcatFlashNgram
    Mellum MiMo MiniCPM MiniCPM3 MiniMaxM2 Ministral3 Mistral MistralLarge3 Mixtral MuseGlimmer Nanbeige Nemotron
    NemotronH NemotronHPuzzle OPT Olmo Olmo2 Olmo3 OlmoHybrid Olmoe PanguEmbedded PanguProMoEV2 PanguUltraMoE
    Param2MoE Phi Phi3 PhiMoE Plamo3 Qwen2 Qwen2Moe Qwen3 Qwen3Moe Qwen3Next Qwen3_5 Qwen3_5Moe Qwen4Exp Rnj1
    SarvamMLA SarvamMoE SeedOss SmolLM3 Solar Starcoder2 TeleChat2 TeleChat3 TeleFLM VaultGemma
"""
_MERGED_ONLY = """
    BailingMoeV2_5 BailingMoeV3 Bloom Cohere2Moe Dbrx DeepseekV4 Falcon FalconMamba GPTJ Gemma3n Glm5Next
    HCXVisionV2 HrmText IQuestLoopCoder KimiLinear Mamba Mamba2 MiMoV2 MiMoV2Flash MiniMaxM3Sparse Orion StableLm
    Step1 Step3Text Step3p5 Zamba2
"""


@dataclass(frozen=True)
class Release:
    """The adapter ranks that it can be started with, and its architectures: with adapters, or merged weights only."""

    ranks: tuple[int, ...]
    adapters: frozenset[str]
    merged_only: frozenset[str]


def _names(text: str) -> frozenset[str]:
    return frozenset(f"{name}ForCausalLM" for name in text.split())


_V0_32 = Release(_RANKS, _names(_ADAPTERS), _names(_MERGED_ONLY))
_V0_33_ADAPTERS = _V0_32.adapters | _names("AliceAI DeepseekV4 Kolibri1 Step5")
_V0_33_MERGED_ONLY = _V0_32.merged_only | _names("Beam DomynEdge Dory Flint")

RELEASES: Mapping[str, Release] = {
    "0.32.0": _V0_32,
    "0.33.0": Release(_RANKS, _V0_33_ADAPTERS, _V0_33_MERGED_ONLY - _V0_33_ADAPTERS),
}
"""By version, oldest first."""
