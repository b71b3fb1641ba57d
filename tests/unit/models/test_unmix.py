import pydantic
import pytest
import torch

from bluebatch.models import contract, inputs, unmix

SIZES = unmix.Sizes(n_inputs=12, n_outputs=9, n_parts=3)
SMALL = unmix.ModelSettings(width=32, channels=2, depth=2, hidden=(16, 8), trunk="separate")
MEMBER = unmix.MemberSettings(gaps=0)


def make_anchors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    shapes = {"mean": (3, 9), "center": (12,), "basis": (12, 4), "coefficient": (4, 3, 9)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def make_batch(n: int = 5) -> contract.Batch:
    generator = torch.Generator().manual_seed(4)
    log_cpm = torch.rand(n, 12, generator=generator) * 8
    log_cpm[0, 3] = float("nan")
    profile = torch.rand(n, 3, 9, generator=generator) * 8
    profile[1, 2] = float("nan")
    fraction = torch.softmax(torch.randn(n, 3, generator=generator), 1)
    return {"log_cpm": log_cpm, "profile": profile, "fraction": fraction}


def make_network(
    settings: unmix.ModelSettings = SMALL, anchors: dict[str, torch.Tensor] | None = None
) -> unmix.Network:
    torch.manual_seed(0)
    return unmix.Network(settings, MEMBER, SIZES, anchors)


def test_network__has_the_papers_59_million_weights() -> None:
    settings = unmix.ModelSettings(
        width=4096, channels=16, hidden=(4096, 1024, 256, 64), trunk="separate"
    )
    with torch.device("meta"):
        network = unmix.Network(settings, MEMBER, unmix.Sizes(3000, 3000, 6))
    n_weights = sum(parameter.numel() for parameter in network.parameters())
    assert n_weights == pytest.approx(59e6, rel=0.01)


def test_network__a_shared_trunk_saves_one_linear_layer() -> None:
    shared = make_network(SMALL.model_copy(update={"trunk": "shared"}))
    separate = make_network()
    saved = sum(p.numel() for p in separate.parameters()) - sum(
        p.numel() for p in shared.parameters()
    )
    assert saved == 12 * 32 + 32


def test_forward__at_step_0_equals_the_anchor_and_learns() -> None:
    anchors, batch = make_anchors(), make_batch()
    network = make_network(anchors=anchors)
    ready = network.transform(batch)
    outputs = network(ready)
    measured = ~torch.isnan(batch["log_cpm"])
    scaled = inputs.standardise(torch.nan_to_num(batch["log_cpm"]), measured)
    linear = torch.einsum(
        "nk,kcg->ncg", (scaled - anchors["center"]) @ anchors["basis"], anchors["coefficient"]
    )
    torch.testing.assert_close(outputs["profile"], anchors["mean"] + linear)
    assert float(outputs["profile"].detach().min()) < 0  # The loss sees the unclipped sum.
    network.losses(outputs, ready)["profile"].backward()  # type: ignore[no-untyped-call]
    gradient = network.profile_head.weight.grad
    assert gradient is not None
    assert float(gradient.abs().max()) > 0


def test_forward__the_mean_alone_is_an_anchor_too() -> None:
    mean = make_anchors()["mean"]
    network = make_network(anchors={"mean": mean})
    profile = network(network.transform(make_batch()))["profile"].detach()
    torch.testing.assert_close(profile, mean.expand(5, 3, 9))


def test_forward__without_an_anchor_relu_keeps_profiles_from_below_0() -> None:
    network = make_network(SMALL.model_copy(update={"output": "relu"}))
    profile = network(network.transform(make_batch()))["profile"].detach()
    assert float(profile.min()) == 0
    assert float(profile.max()) > 0


def test_forward__fractions_sum_to_1() -> None:
    network = make_network()
    fraction = network(network.transform(make_batch()))["fraction"]
    torch.testing.assert_close(fraction.sum(1), torch.ones(5))


def test_conclude__raises_what_is_below_0() -> None:
    outputs = {"profile": torch.tensor([-1.0, 2.0]), "fraction": torch.tensor([0.5])}
    assert make_network().conclude(outputs)["profile"].tolist() == [0.0, 2.0]


def test_conclude__squares_fractions_whose_mean_tells_how_far_members_lie_apart() -> None:
    outputs = {"profile": torch.zeros(1), "fraction": torch.tensor([0.5, 0.2])}
    found = make_network().conclude(outputs)
    assert found["fraction_squared"].tolist() == pytest.approx([0.25, 0.04])
    assert found["fraction"].tolist() == pytest.approx([0.5, 0.2])


def test_transform__is_deterministic_without_a_generator_and_disturbed_with_one() -> None:
    network, batch = make_network(anchors=make_anchors()), make_batch()
    calm, again = network.transform(batch), network.transform(batch)
    assert torch.equal(calm["input"], again["input"])
    drawn = network.transform(batch, torch.Generator().manual_seed(0))
    assert not torch.equal(calm["input"], drawn["input"])
    # Noise does not reach the anchor.
    assert torch.equal(calm["anchor_input"], drawn["anchor_input"])
    assert torch.isfinite(drawn["input"]).all()
    assert float(calm["input"][0, 3]) == 0


def test_transform__what_a_platform_scales_alike_in_all_genes_of_a_sample_is_not_seen() -> None:
    network, batch = make_network(), make_batch()
    moved = {**batch, "log_cpm": batch["log_cpm"] + 1.5}
    torch.testing.assert_close(network.transform(batch)["input"], network.transform(moved)["input"])


@pytest.mark.parametrize("anchored", [True, False])
def test_prepare__equals_evaluation_in_fp32(anchored: bool) -> None:
    network = make_network(anchors=make_anchors() if anchored else None)
    batch = make_batch(16)
    network(network.transform(batch, torch.Generator()))
    torch.nn.init.normal_(network.profile_head.weight)
    ready = network.prepare(torch.float32)
    network.eval()
    with torch.no_grad():
        before, after = (model(model.transform(batch)) for model in (network, ready))
    for name in ("profile", "fraction"):
        torch.testing.assert_close(after[name], before[name], atol=1e-5, rtol=1e-5)
    assert network.trunk.weight.requires_grad


def test_prepare__bf16_keeps_the_anchor_and_by_default_the_heads_in_fp32() -> None:
    network = make_network(anchors=make_anchors())
    ready = network.prepare(torch.bfloat16)
    assert ready.trunk.weight.dtype == torch.bfloat16
    assert ready.profile_head.weight.dtype == torch.float32
    batch = make_batch()
    outputs = ready(ready.transform(batch))
    # At step 0 the anchor is all there is, to the last bit of fp32.
    exact = network.eval()(network.transform(batch))["profile"]
    torch.testing.assert_close(outputs["profile"], exact)
    in_half = SMALL.model_copy(update={"fp32_heads": False})
    half = make_network(in_half, make_anchors()).prepare(torch.bfloat16)
    assert half.profile_head.weight.dtype == torch.bfloat16
    assert half(half.transform(batch))["fraction"].dtype == torch.float32


def test_price__counts_weights_at_their_precision() -> None:
    network = make_network()
    n_weights = sum(p.numel() for p in network.parameters())
    assert network.price().weight_bytes >= 4 * n_weights
    assert network.price(torch.bfloat16).weight_bytes < 3 * n_weights
    wide = make_network(SMALL.model_copy(update={"width": 64}))
    assert wide.price().row_bytes > network.price().row_bytes


def test_model_settings__width_must_halve() -> None:
    assert unmix.ModelSettings(width=512, depth=4).width == 512
    with pytest.raises(pydantic.ValidationError, match="does not halve 4 times"):
        unmix.ModelSettings(width=500, depth=4)
