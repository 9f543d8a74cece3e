import torch

from repobe.images import datasets
from repobe.images.subsets import stratified


def test_any_beginning_holds_every_class_as_often_as_the_whole():
    # Ten images of each of four classes, sorted by class: the first m hold m/4 of each, to within one image.
    label = torch.arange(4).repeat_interleave(10)
    order = stratified(label, "test")
    assert sorted(order.tolist()) == list(range(40))
    for m in range(1, 41):
        counted = torch.bincount(label[order[:m]], minlength=4)
        assert counted.max() - counted.min() <= 1, m


def test_a_rare_class_keeps_its_share():
    # 30 of one class and 10 of another: every four images hold three and one, to within one.
    label = torch.tensor([0] * 30 + [1] * 10)
    order = stratified(label, "test")
    for m in range(4, 41, 4):
        assert abs(int(label[order[:m]].sum()) - m / 4) <= 1


def test_the_order_is_drawn_and_the_same_each_time():
    label = torch.zeros(1000, dtype=torch.long)
    order = stratified(label, "test")
    assert torch.equal(order, stratified(label, "test"))
    assert not torch.equal(order, stratified(label, "train"))
    # The first 200 are no beginning of the file: their mean place is 500, its standard error 1000/sqrt(12·200) = 20.
    assert 400 < order[:200].double().mean() < 600


def test_a_smaller_training_set_is_part_of_a_larger_one_and_all_of_it_is_left_as_it_stands(digits_file):
    data = datasets.load(digits_file)
    small, large = data.limit(100), data.limit(500)
    assert torch.equal(small.train[0], large.train[0][:100])
    assert torch.equal(small.train[0], large.limit(100).train[0])
    assert torch.bincount(small.train[1]).tolist() == [10] * 10
    for all_of_it in (None, 1257, 9999):
        assert torch.equal(data.limit(all_of_it).train[0], data.train[0])


def test_test_images_stand_in_a_drawn_order_and_say_which_they_are(digits_file):
    from safetensors.torch import load_file

    data, file = datasets.load(digits_file), load_file(digits_file)
    assert torch.equal(data.test[0], file["test_image"][data.test_number])
    assert torch.equal(data.test[1], file["test_label"][data.test_number])
    assert torch.bincount(data.test[1][:60]).min() >= 5  # of 360 images the classes have 33 to 37
    assert torch.bincount(data.validation[1][:60]).min() >= 5
