import pathlib
from typing import NoReturn

import pytest
import safetensors.torch
import torch
from unit.engine import pseudobulks, toy

from bluebatch import errors
from bluebatch.engine import kinds, unmix
from bluebatch.models import contract
from bluebatch.models import unmix as model
from bluebatch.store import model_folder, places


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> unmix.Task:
    """All that is known of a model with a ridge for an anchor, before it is trained."""
    path = pseudobulks.write_store(tmp_path_factory.mktemp("store") / "bulk.zarr")
    return pseudobulks.learn(path)


def saved(learner: unmix.Task, folder: pathlib.Path) -> list[contract.Model]:
    """Save members whose batch statistics have moved."""
    files = ["member_0.safetensors", "member_1.safetensors"]
    card = learner.card.model_copy(update={"members": [{"file": file} for file in files]})
    model_folder.write_card(folder, card, learner.arrays)
    networks = []
    for member, file in enumerate(files):
        network = learner.network(member).train()
        torch.nn.init.normal_(network.profile_head.weight, std=0.1)  # type: ignore[union-attr, arg-type]
        for _ in range(3):
            network(network.transform(batch(seed=member), torch.Generator().manual_seed(1)))
        weights = {name: value.contiguous() for name, value in network.state_dict().items()}
        safetensors.torch.save_file(weights, folder / file)
        networks.append(network.eval())
    return networks


def batch(seed: int) -> contract.Batch:
    generator = torch.Generator().manual_seed(seed)
    return {"log_cpm": 12 * torch.rand(8, 30, generator=generator)}


def applied(network: contract.Model) -> contract.Batch:
    with torch.no_grad():
        return network.conclude(network(network.transform(batch(seed=7))))


def test_load_networks__weights_statistics_and_anchors_are_back(
    learner: unmix.Task, tmp_path: pathlib.Path
) -> None:
    assert len(learner.card.labels["input_gene"]) == 30
    networks = saved(learner, tmp_path)
    found = kinds.load_networks(kinds.load(tmp_path), tmp_path)
    assert len(found) == 2
    for network, loaded in zip(networks, found, strict=True):
        assert not loaded.training
        expected = applied(network)
        for name, values in applied(loaded).items():
            assert torch.equal(values, expected[name])
        for name, values in applied(loaded.prepare(torch.float32)).items():
            torch.testing.assert_close(values, expected[name], rtol=1e-4, atol=1e-4)
        # Laying it out has folded nothing into what was loaded.
        for name, values in applied(loaded).items():
            assert torch.equal(values, expected[name])


def test_load_networks__prepared_networks_share_the_weights(
    learner: unmix.Task, tmp_path: pathlib.Path
) -> None:
    saved(learner, tmp_path)
    loaded = kinds.load_networks(kinds.load(tmp_path), tmp_path)[0]
    assert isinstance(loaded, model.Network)
    exact, rounded = loaded.prepare(torch.float32), loaded.prepare(torch.bfloat16)
    assert exact.trunk.weight.data_ptr() == loaded.trunk.weight.data_ptr()
    assert rounded.trunk.weight.dtype == torch.bfloat16
    assert loaded.trunk.weight.dtype == torch.float32
    assert not exact.trunk.weight.requires_grad


class Ramp(toy.Network):
    """A network with a buffer that it computes and does not save."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ramp", torch.arange(2.0), persistent=False)


def test_load_networks__computed_buffers_are_computed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, toy_kind: None
) -> None:
    monkeypatch.setattr(toy.Task, "network", lambda self, member: Ramp())
    folder = toy.write_model(tmp_path / "model")
    loaded = kinds.load_networks(kinds.load(folder), folder)[1]
    weights = safetensors.torch.load_file(folder / "member_1.safetensors")
    assert loaded.get_buffer("ramp").tolist() == [0, 1]
    assert torch.equal(loaded.state_dict()["layer.weight"], weights["layer.weight"])


def test_load_networks__a_member_of_another_panel_is_refused(
    learner: unmix.Task, tmp_path: pathlib.Path
) -> None:
    saved(learner, tmp_path)
    file = tmp_path / "member_1.safetensors"
    weights = safetensors.torch.load_file(file)
    weights["trunk.weight"] = weights["trunk.weight"][:, :-1].contiguous()
    safetensors.torch.save_file(weights, file)
    rows, columns = learner.network(1).get_parameter("trunk.weight").shape
    message = (
        rf"member_1\.safetensors: are no weights of this model \(trunk\.weight has shape "
        rf"\({rows}, {columns - 1}\), needed: \({rows}, {columns}\): of another panel"
    )
    with pytest.raises(errors.ForeignStoreError, match=message):
        kinds.load_networks(kinds.load(tmp_path), tmp_path)


def test_blank_network__weighs_nothing_and_prices_the_same(learner: unmix.Task) -> None:
    blank = kinds.blank_network(learner, 0)
    assert all(weight.is_meta for weight in blank.parameters())
    for dtype in (torch.float32, torch.bfloat16):
        assert blank.price(dtype) == learner.network(0).price(dtype)


def test_load_networks__a_bucket_that_stops_answering_is_not_taken_for_broken_weights(
    learner: unmix.Task, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(learner, tmp_path)

    def refuse(file: places.Place) -> NoReturn:
        raise errors.UnreachableError(f"{file}: does not answer.")

    monkeypatch.setattr(places, "local_copy", refuse)
    with pytest.raises(errors.UnreachableError, match="does not answer"):
        kinds.load_networks(kinds.load(tmp_path), tmp_path)
