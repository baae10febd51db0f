"""What every global descriptor promises, and what each is for."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from hndesc.errors import HndescError
from hndesc.models.checkpoint import save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.models.torchvision_import import torchvision_models
from hndesc.retrieval.global_descriptors import l2_normalize, load_global_descriptor, resnet
from hndesc.retrieval.global_descriptors.color_gradient import COLOR_BINS, ORIENTATIONS, _gradients


@pytest.fixture(scope="module")
def photos():
    images = {name: getattr(skimage.data, name)() for name in ("astronaut", "coffee", "chelsea", "rocket")}
    return {name: cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA) for name, image in images.items()}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Files of random weights for the descriptors that want a file."""
    folder = tmp_path_factory.mktemp("weights")
    save_checkpoint(folder / "dense.safetensors", build_model("lite", "random", seed=1), {})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(torchvision_models().resnet50().state_dict(), folder / "resnet50.pth")
    return {"dense": folder / "dense.safetensors", "resnet50": folder / "resnet50.pth"}


@pytest.fixture(scope="module", params=["color_gradient", "dense", "efficientnet_lite0", "resnet50"])
def descriptor(request, weights):
    torch.set_num_threads(1)
    return load_global_descriptor(request.param, weights.get(request.param))


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (33, 65), (240, 320)])
def test_any_size_gives_a_unit_vector_of_one_length(descriptor, photos, size):
    image = cv2.resize(photos["coffee"], size[::-1])
    vector = descriptor.describe(image)
    assert vector.dtype == np.float32
    assert vector.shape == descriptor.describe(photos["rocket"]).shape
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_blank_image_is_legal(descriptor, value):
    vector = descriptor.describe(np.full((64, 64, 3), value, np.uint8))
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_same_image_gives_the_same_vector(descriptor, photos):
    first, second = (descriptor.describe(photos["chelsea"]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


# A dense map of random weights tells no photos apart.
@pytest.mark.parametrize("descriptor", ["color_gradient", "efficientnet_lite0", "resnet50"], indirect=True)
def test_cropped_and_dimmed_views_are_nearest_to_their_photo(descriptor, photos):
    names = sorted(photos)
    vectors = np.stack([descriptor.describe(photos[name]) for name in names])
    for index, name in enumerate(names):
        view = (photos[name][12:-20, 25:-10] * 0.8).astype(np.uint8)
        assert (vectors @ descriptor.describe(view)).argmax() == index


def test_settings_name_the_descriptor(descriptor, request):
    assert descriptor.settings["name"] == request.node.callspec.params["descriptor"]


def test_weights_that_do_not_fit_are_named(weights, tmp_path):
    with pytest.raises(HndescError, match=r"resnet50\.pth: not the weights of resnet101"):
        load_global_descriptor("resnet101", weights["resnet50"])
    with pytest.raises(HndescError, match=r"absent\.safetensors: no such checkpoint"):
        load_global_descriptor("dense", tmp_path / "absent.safetensors")
    with pytest.raises(HndescError, match="'dense': missing a required argument: 'weights'"):
        load_global_descriptor("dense")
    with pytest.raises(HndescError, match="'color_gradient' has no weights; leave out "):
        load_global_descriptor("color_gradient", weights["dense"])


def test_weights_that_cannot_be_fetched_tell_what_to_do(monkeypatch):
    def refuse(url):
        raise HndescError(url)

    monkeypatch.setattr(resnet, "fetch", refuse)
    with pytest.raises(HndescError, match=r"resnet101-.*pth: .*'weights', or use .*'efficientnet_lite0'"):
        load_global_descriptor("resnet101")


def test_signs_of_a_dense_map_are_pooled_apart(weights, photos):
    """Turning the signs of a map swaps the two halves of its descriptor."""
    plain, turned = (load_global_descriptor("dense", weights["dense"]) for _ in range(2))
    last = turned._network.head[-1]
    with torch.no_grad():
        last.weight.neg_(), last.bias.neg_()
    vector = plain.describe(photos["coffee"])
    assert len(vector) == 2 * plain._network.dim
    np.testing.assert_allclose(turned.describe(photos["coffee"]), np.roll(vector, plain._network.dim), atol=1e-6)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(
        HndescError, match="unknown global descriptor 'netvlad'; choose one of: color_gradient, dense, eff"
    ):
        load_global_descriptor("netvlad")


def test_normalization():
    assert l2_normalize(np.array([3.0, 4.0])).tolist() == pytest.approx([0.6, 0.8])
    assert l2_normalize(np.zeros(4)).tolist() == [0.5] * 4


def test_gem_pooling_of_the_network(photos):
    """Power 1 is the mean of the last feature map, a large one tends to its maximum, and 3 lies between."""
    from hndesc.retrieval.global_descriptors.efficientnet import EfficientNetLite0

    models = {power: EfficientNetLite0(power) for power in (1.0, 3.0, 60.0)}
    image = cv2.resize(photos["rocket"], (96, 64))
    batch = (torch.from_numpy(image).permute(2, 0, 1)[None].float() - 127) / 128
    with torch.inference_mode():
        activations = models[3.0]._network.extract_features(batch)[0].flatten(1).numpy()
    cube = np.cbrt((activations.astype(np.float64) ** 3).mean(axis=1))
    np.testing.assert_allclose(models[3.0].describe(image), cube / np.linalg.norm(cube), atol=1e-5)
    mean = activations.mean(axis=1)
    np.testing.assert_allclose(models[1.0].describe(image), mean / np.linalg.norm(mean), atol=1e-5)
    assert models[60.0].settings["power"] == 60.0


def test_network_knows_what_it_sees(photos):
    """Weights and normalization are right: ImageNet's classes 281 to 285 are cats, 967 is an espresso."""
    from hndesc.retrieval.global_descriptors.efficientnet import DEVIATION, MEAN, EfficientNetLite0

    network = EfficientNetLite0()._network
    for name, classes in (("chelsea", range(281, 286)), ("coffee", [967])):
        image = cv2.resize(photos[name][:, 40:280], (224, 224))
        with torch.inference_mode():
            batch = (torch.from_numpy(image).permute(2, 0, 1)[None].float() - MEAN) / DEVIATION
            probabilities = network(batch).softmax(dim=1)[0]
        assert probabilities.argmax() in classes and probabilities[list(classes)].sum() > 0.7


def test_gradient_energy_goes_to_its_orientation_and_cell():
    gray = np.zeros((32, 32), np.float32)
    gray[:, 20:] = 100  # a vertical edge in the third column of cells: the gradient points along x, orientation 0
    energy = _gradients(gray).reshape(ORIENTATIONS, 4, 4)
    assert energy[0, :, 2].min() > 0
    energy[0, :, 2] = 0
    assert energy.max() == 0
    assert (_gradients(gray.T).reshape(ORIENTATIONS, 4, 4)[ORIENTATIONS // 2, 2] > 0).all()


def test_length_of_the_weightless_descriptor(photos):
    length = load_global_descriptor("color_gradient").describe(photos["coffee"]).shape
    assert length == (3 * ORIENTATIONS * 16 + COLOR_BINS**3,)
