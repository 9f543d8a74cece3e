import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from repobe.images.metrics import correct, mse, psnr_db, ssim


def test_psnr_and_ssim_agree_with_scikit_image():
    x, y = torch.rand(3, 3, 32, 32), torch.rand(3, 3, 32, 32)
    y = (0.7 * x + 0.3 * y).clamp(0, 1)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    for index in range(3):
        a, b = x[index].double().numpy(), y[index].double().numpy()
        assert psnr_db(y, x)[index].item() == pytest.approx(peak_signal_noise_ratio(a, b, data_range=1), abs=1e-4)
        oracle = structural_similarity(a, b, channel_axis=0, **options)
        assert ssim(y, x)[index].item() == pytest.approx(oracle, abs=1e-5)


def test_psnr_of_an_error_of_a_tenth_everywhere_is_20_db():
    x = torch.zeros(1, 1, 16, 16)
    assert psnr_db(x + 0.1, x).item() == pytest.approx(20, abs=1e-4)
    assert mse(x + 0.1, x).item() == pytest.approx(0.01)


def test_an_image_is_wholly_similar_to_itself():
    x = torch.rand(2, 1, 28, 28)
    np.testing.assert_allclose(ssim(x, x), 1, atol=1e-6)
    assert psnr_db(x, x).max() <= 100.001


def test_correct_compares_the_largest_logit():
    assert correct(torch.tensor([[0.0, 1.0], [2.0, 1.0]]), torch.tensor([1, 1])).tolist() == [1, 0]
