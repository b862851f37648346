"""The reducers by name."""

from neurolens.extract.reducers.base import Reducer
from neurolens.extract.reducers.cast import DTYPES, Cast
from neurolens.extract.reducers.pca import PCA
from neurolens.extract.reducers.pool import POOLED, Pool
from neurolens.extract.reducers.project import Project
from neurolens.extract.reducers.subsample import Subsample

REDUCERS: dict[str, Reducer | type[Reducer]] = {
    **{name: Cast(name) for name in DTYPES},
    **{how: Pool(how) for how in POOLED},
    "subsample": Subsample,
    "project": Project(),
    "pca": PCA,
}
