import importlib
import inspect
import pkgutil

from lit_optim import gradients


def test_every_transform_of_a_file_is_a_public_name_and_nothing_else():
    classes = set()
    for file in pkgutil.iter_modules(gradients.__path__):
        module = importlib.import_module(f"lit_optim.gradients.{file.name}")
        classes |= {
            name
            for name, cls in inspect.getmembers(module, inspect.isclass)
            if issubclass(cls, (gradients.Link, gradients.Chain)) and cls.__module__ == module.__name__
        }
    assert set(gradients.__all__) == set(dir(gradients)) == classes
