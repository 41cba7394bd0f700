"""What we use of other packages that they do not promise to keep: the list to go through when one is upgraded.

Private are names with an underscore in front, and the modules in `INTERNAL`, whatever their names are called. A name is
written as where it is defined: an attribute of objects behind their class. `tests/test_private_names.py` says whether
each exists in what is installed, and finds what the packages use and the list does not have.
"""

from __future__ import annotations

from typing import NamedTuple

INTERNAL = (
    "jax._src",
    "llvmlite.binding.newpassmanagers",
    "numba.core",
    "numba.np",
    "pytensor.link.jax.dispatch.random",
    "pytensor.link.numba",
)
"""Modules of which nothing is public."""


class Use(NamedTuple):
    """Names that serve one purpose."""

    purpose: str
    files: tuple[str, ...]  # each uses at least one of the names
    names: tuple[str, ...]


_MACHINE_CODE = "graphs/backends/numba/machine_code"
_TRANSLATION = "graphs/backends/numba/translation"
_CODE_LIBRARY = "numba.core.codegen.CPUCodeLibrary"
_DENSITIES = "pymc.logprob.abstract"

NUMBA = (
    Use(
        "Functions that compiled code calls become LLVM's code only; no machine code is made of each alone.",
        (f"{_MACHINE_CODE}/called.py",),
        (
            "numba.core.codegen.JITCPUCodegen",
            "numba.core.codegen.JITCPUCodegen._library_class",
            "numba.core.codegen.JITCodeLibrary.serialize_using_bitcode",
            f"{_CODE_LIBRARY}._finalize_dynamic_globals",
            f"{_CODE_LIBRARY}._finalize_final_module",
            f"{_CODE_LIBRARY}._finalized",
            f"{_CODE_LIBRARY}._optimize_final_module",
            f"{_CODE_LIBRARY}._verify_declare_only_symbols",
            "numba.core.compiler.CompileResult",
            "numba.core.compiler.CompileResult._rebuild",
            "numba.core.compiler.Flags",
            "numba.core.compiler.compile_extra",
            "numba.core.dispatcher.Dispatcher._compiler",
            "numba.core.dispatcher._FunctionCompiler",
            "numba.core.dispatcher._FunctionCompiler._compile_core",
            "numba.core.registry.CPUDispatcher",
        ),
    ),
    Use(
        "Translated functions are optimised once, with all that they call, not each by itself before.",
        (f"{_TRANSLATION}/compiler.py",),
        (
            "numba.core.codegen.CPUCodegen._data_layout",
            "numba.core.codegen.CPUCodegen._module_pass_manager",
            "numba.core.codegen.JITCodeLibrary",
            f"{_CODE_LIBRARY}._codegen",
            f"{_CODE_LIBRARY}._final_module",
            f"{_CODE_LIBRARY}._optimize_final_module",
            f"{_CODE_LIBRARY}._optimize_functions",
        ),
    ),
    Use(
        "The machine code of a program lies in an engine of its own, which is freed with the program.",
        (f"{_MACHINE_CODE}/engines.py",),
        (
            f"{_CODE_LIBRARY}._codegen",
            f"{_CODE_LIBRARY}._final_module",
            f"{_CODE_LIBRARY}._shared_module",
            "numba.core.codegen.CPUCodegen._create_empty_module",
            "numba.core.codegen.CPUCodegen._engine",
            "numba.core.codegen.JITCPUCodegen",
            "numba.core.codegen.JITCPUCodegen._customize_tm_options",
            "numba.core.codegen.JitEngine._ee",
            "numba.core.compiler_lock.global_compiler_lock",
            "numba.core.compiler_lock.global_compiler_lock._lock",
            "numba.core.compiler_lock.global_compiler_lock.is_locked",
            "numba.core.config.ENABLE_PROFILING",
            "numba.core.config.OPT",
            "numba.core.config.USE_LLVMLITE_MEMORY_MANAGER",
        ),
    ),
    Use(
        "llvmlite's pass managers, which its own method does not free, are freed: it is replaced when we are imported.",
        (f"{_MACHINE_CODE}/engines.py",),
        (
            "llvmlite.binding.ffi.ObjectRef._dispose",
            "llvmlite.binding.newpassmanagers.FunctionPassManager",
            "llvmlite.binding.newpassmanagers.ModulePassManager",
            "llvmlite.binding.newpassmanagers.NewPassManager",
            "llvmlite.binding.newpassmanagers.NewPassManager._dispose",
        ),
    ),
    Use(
        "Sources are translated to LLVM's code in one pass, by Numba's rules for calls, arguments and results.",
        tuple(
            f"{_TRANSLATION}/{name}.py"
            for name in ("compiler", "expressions", "function", "operations", "statements", "values")
        ),
        (
            "numba.core.cgutils.alloca_once",
            "numba.core.codegen.CodeLibrary._reload_init",
            "numba.core.compiler.CompileResult",
            "numba.core.compiler.Compiler",
            "numba.core.compiler.Compiler._compile_bytecode",
            "numba.core.compiler.compile_result",
            "numba.core.environment.Environment",
            "numba.core.environment.Environment.from_fndesc",
            "numba.core.errors.NumbaError",
            "numba.core.funcdesc.PythonFunctionDescriptor",
            "numba.core.targetconfig.ConfigStack",
            "numba.core.typing.signature",
            "numba.core.typing.templates.Signature",
            "numba.core.typing.templates.fold_arguments",
        ),
    ),
    Use(
        "Small functions are inlined from the outermost on before types are derived.",
        (f"{_MACHINE_CODE}/inlined.py",),
        (
            "numba.core.compiler.DefaultPassBuilder",
            "numba.core.compiler.DefaultPassBuilder.define_nopython_pipeline",
            "numba.core.compiler_machinery.PassManager",
            "numba.core.compiler_machinery.register_pass",
            "numba.core.dispatcher.Dispatcher._numba_type_",
            "numba.core.inline_closurecall.InlineWorker._compiler_pipeline",
            "numba.core.typed_passes.NopythonRewrites",
            "numba.core.untyped_passes.FixupArgs",
            "numba.core.untyped_passes.GenericRewrites",
            "numba.core.untyped_passes.IRProcessing",
            "numba.core.untyped_passes.InlineInlinables",
            "numba.core.untyped_passes.InlineInlinables._do_work",
            "numba.core.untyped_passes.InlineInlinables._name",
            "numba.core.untyped_passes.TranslateByteCode",
        ),
    ),
    Use(
        "Machine code is kept on disk in files that say in their names what it depends on, not by Numba's cache.",
        (f"{_MACHINE_CODE}/c_functions.py", f"{_MACHINE_CODE}/kept.py"),
        (
            f"{_CODE_LIBRARY}._get_compiled_object",
            "numba.core.caching._Cache",
            "numba.core.ccallback.CFunc",
            "numba.core.ccallback.CFunc._cache",
            "numba.core.ccallback.CFunc._cache_hits",
            "numba.core.ccallback.CFunc._compile_uncached",
            "numba.core.ccallback.CFunc._sig",
            "numba.core.ccallback.CFunc._targetdescr",
            "numba.core.ccallback.CFunc._wrapper_address",
            "numba.core.ccallback.CFunc._wrapper_name",
            "numba.core.compiler.CompileResult",
            "numba.core.compiler.CompileResult._find_referenced_environments",
            "numba.core.compiler.CompileResult._rebuild",
            "numba.core.compiler.CompileResult._reduce",
            "numba.core.compiler_lock.global_compiler_lock",
            "numba.core.dispatcher.Dispatcher._cache",
            "numba.core.extending.is_jitted",
            "numba.core.runtime.rtsys",
            "numba.core.runtime.rtsys.initialize",
            "numba.core.serialize.dumps",
            "numba.core.sigutils.normalize_signature",
        ),
    ),
    Use(
        "PyTensor's compiled functions are kept in the same way: Numba's caches are replaced when we are imported.",
        (f"{_MACHINE_CODE}/pytensor_functions.py",),
        (
            "numba.core.caching.FunctionCache",
            "numba.core.dispatcher.FunctionCache",
            "pytensor.link.numba.cache.CACHED_SRC_FUNCTIONS",
        ),
    ),
    Use(
        "The name of kept code is a digest of all that can be reached from a function, through what Numba makes of it.",
        (f"{_MACHINE_CODE}/constituents.py", f"{_MACHINE_CODE}/reachable.py"),
        (
            "numba.core.ccallback.CFunc",
            "numba.core.ccallback.CFunc._compiler",
            "numba.core.ccallback.CFunc._pyfunc",
            "numba.core.ccallback.CFunc._sig",
            "numba.core.compiler.CompilerBase",
            "numba.core.datamodel.default_manager",
            "numba.core.datamodel.default_manager._handlers",
            "numba.core.dispatcher.Dispatcher",
            "numba.core.dispatcher.Dispatcher._compiler",
            "numba.core.extending._Intrinsic",
            "numba.core.extending._Intrinsic._ctor_kwargs",
            "numba.core.extending._Intrinsic._defn",
            "numba.core.extending._Intrinsic._prefer_literal",
            "numba.core.imputils.builtin_registry",
            "numba.core.types.Type",
            "numba.core.typing.templates._OverloadFunctionTemplate._jit_options",
            "numba.core.typing.templates._OverloadFunctionTemplate._overload_func",
            "numba.core.typing.templates.builtin_registry",
        ),
    ),
    Use(
        "Generated code has types and operations of its own: pointers, rows of a vector, constants, calls by address.",
        (
            "graphs/backends/numba/library/intrinsics.py",
            "graphs/backends/numba/library/numerics.py",
            "graphs/backends/numba/library/vector_math.py",
            "graphs/backends/numba/program.py",
            "graphs/recursion/loops/steps.py",
        ),
        (
            "numba.core.cgutils._StructProxy._getvalue",
            "numba.core.cgutils.alloca_once_value",
            "numba.core.cgutils.get_or_insert_function",
            "numba.core.cgutils.global_constant",
            "numba.core.cgutils.voidptr_t",
            "numba.core.datamodel.models.PointerModel",
            "numba.core.extending.intrinsic",
            "numba.core.extending.lower_builtin",
            "numba.core.extending.overload",
            "numba.core.extending.register_model",
            "numba.core.extending.type_callable",
            "numba.core.types.Boolean",
            "numba.core.types.Float",
            "numba.core.types.float64",
            "numba.core.types.int64",
            "numba.np.arrayobj.make_array",
            "numba.np.arrayobj.populate_array",
        ),
    ),
)

PYTENSOR = (
    Use(
        "Flags that are changed for a while are so for one thread.",
        ("graphs/mended/flags.py",),
        ("pytensor.configparser._ChangeFlagsDecorator",),
    ),
    Use(
        "Operations without a lowering of ours are compiled by PyTensor's, and its functions can run ours.",
        (
            "graphs/backends/numba/compiler/foreign.py",
            "graphs/backends/numba/lowering/fallback.py",
            "graphs/recursion/numba_linking.py",
            "graphs/sparse/dense.py",
            "graphs/sparse/differentiable.py",
            "graphs/sparse/ops.py",
            "graphs/sparse/row_ops.py",
            "graphs/tails/ops.py",
        ),
        (
            "pytensor.link.numba.dispatch.basic.generate_fallback_impl",
            "pytensor.link.numba.dispatch.basic.numba_funcify",
            "pytensor.link.numba.dispatch.basic.numba_funcify_and_cache_key",
            "pytensor.link.numba.dispatch.basic.numba_funcify_default_op_cache_key",
            "pytensor.link.numba.dispatch.basic.numba_funcify_ensure_cache",
            "pytensor.link.numba.dispatch.basic.register_funcify_and_cache_key",
        ),
    ),
    Use(
        "Draws that PyTensor's JAX backend lacks or has wrong are registered with it.",
        ("graphs/backends/jax/lowering.py", "graphs/backends/jax/random.py"),
        (
            "pytensor.link.jax.dispatch.random.jax_sample_fn",
            "pytensor.link.jax.dispatch.random.jax_sample_fn.register",
        ),
    ),
    Use(
        "Operations of ours are batched as PyTensor's are.",
        ("graphs/marginal/elimination/batch.py", "graphs/recursion/op.py", "graphs/surgery/batching.py"),
        ("pytensor.graph.replace._vectorize_node", "pytensor.graph.replace._vectorize_not_needed"),
    ),
    Use(
        "What a batched operation does to one element of its batch is looked at or lowered.",
        (
            "graphs/backends/numba/lowering/linalg.py",
            "graphs/surgery/evaluating.py",
            "graphs/surgery/inlining.py",
        ),
        ("pytensor.tensor.blockwise.Blockwise._create_dummy_core_node",),
    ),
    Use(
        "Graphs that are rewritten tell of changes only what listens to them.",
        ("graphs/surgery/rewriting/graph.py",),
        ("pytensor.graph.fg.FunctionGraph._features",),
    ),
    Use(
        "Properties of matrices are not looked for in what is none.",
        ("graphs/surgery/rewriting/facts.py",),
        (
            "pytensor.assumptions.core.AssumptionFeature._compute",
            "pytensor.assumptions.core.AssumptionFeature._var_to_keys",
        ),
    ),
    Use(
        "A scan is interpreted; PyTensor would compile its steps to C.",
        ("graphs/surgery/evaluating.py",),
        ("pytensor.scan.op.Scan._fn",),
    ),
    Use(
        "Gradients that an operation keeps, and makes again when it needs them, are not pickled with it.",
        ("graphs/surgery/pickling.py",),
        (
            "pytensor.compile.builders.OpFromGraph._lop_op_cache",
            "pytensor.compile.builders.OpFromGraph._rop_op_cache",
        ),
    ),
    Use(
        "Slopes of what has no weight are masked.",
        ("graphs/limits/masked_slopes.py",),
        ("pytensor.tensor.elemwise.Elemwise._bgrad",),
    ),
    Use(
        "A chain of states has the shape of its steps, and names of distributions are printed.",
        (
            "graphs/surgery/random_graph.py",
            "graphs/variables/inverse_wishart.py",
            "graphs/variables/markov_chain.py",
            "graphs/variables/sequence/sequence_rv.py",
            "ppl/modelling/graphviz.py",
            "ppl/reporting/latex.py",
        ),
        (
            "pymc.distributions.distribution.SymbolicRandomVariable._print_name",
            "pytensor.tensor.random.op.RandomVariable._supp_shape_from_params",
        ),
    ),
    Use(
        "Operators and indices of variables read their operands, and NumPy's functions of variables are PyTensor's: "
        "methods of this class are replaced when we are imported.",
        ("ppl/reading/conversions.py", "ppl/reading/numpy_functions.py", "ppl/reading/operands.py"),
        ("pytensor.tensor.variable._tensor_py_operators",),
    ),
    Use(
        "Another folder is used where the one that PyTensor is configured for cannot be.",
        ("graphs/disk/compile_directory.py",),
        ("pytensor.config._config_var_dict", "pytensor.config._flags_dict"),
    ),
)

PYMC = (
    Use(
        "Densities, cumulative probabilities, and starting values of random variables are registered with PyMC, and "
        "asked of it.",
        (
            "graphs/centring/families.py",
            "graphs/limits/infinite_parameters.py",
            "graphs/limits/measurable_transforms.py",
            "graphs/marginal/atoms.py",
            "graphs/rolling/rolling.py",
            "graphs/surgery/pickling.py",
            "graphs/tails/densities.py",
            "graphs/tails/derived.py",
            "graphs/tails/ordered.py",
            "graphs/tails/registry.py",
            "graphs/variables/inverse_wishart.py",
            "graphs/variables/markov_chain.py",
            "graphs/variables/partly_observed.py",
            "graphs/variables/precision_normal.py",
            "graphs/variables/sequence/sequence_rv.py",
            "graphs/variables/simulators.py",
            "graphs/variables/truncated_draws.py",
        ),
        (
            f"{_DENSITIES}._icdf",
            f"{_DENSITIES}._logccdf",
            f"{_DENSITIES}._logccdf_helper",
            f"{_DENSITIES}._logcdf",
            f"{_DENSITIES}._logcdf_helper",
            f"{_DENSITIES}._logprob",
            f"{_DENSITIES}._logprob_helper",
            "pymc.distributions.distribution._support_point",
            "pymc.distributions.shape_utils._change_dist_size",
        ),
    ),
    Use(
        "PyMC's default transforms are asked for, and those of our variables registered.",
        (
            "graphs/variables/inverse_wishart.py",
            "graphs/variables/sequence/sequence_rv.py",
            "graphs/variables/transforms.py",
        ),
        ("pymc.distributions.transforms._default_transform",),
    ),
    Use(
        "Random variables that are left in a log-probability are an error; PyMC only warns.",
        ("graphs/joint/terms.py",),
        ("pymc.logprob.basic._find_unallowed_rvs_in_graph",),
    ),
    Use(
        "Mixtures and Cholesky factors are recognised by their classes.",
        (
            "graphs/joint/domains.py",
            "graphs/marginal/atoms.py",
            "graphs/marginal/finite.py",
            "graphs/surgery/random_graph.py",
            "graphs/tails/derived.py",
            "graphs/variables/partly_observed.py",
            "graphs/variables/transforms.py",
        ),
        (
            "pymc.distributions.mixture._BaseMixtureRV",
            "pymc.distributions.mixture._HurdleRV",
            "pymc.distributions.multivariate._LKJCholeskyCovRV",
        ),
    ),
    Use(
        "The parameters of LKJCholeskyCov are those of the class behind it, which is looked up as `_` and its name.",
        ("ppl/declaring/wrapping.py",),
        ("pymc.distributions.multivariate._LKJCholeskyCov",),
    ),
    Use(
        "What tolerance a temperature means, and what numbers are compared, depends on the distance and the summary.",
        ("ppl/tempering/simulating.py",),
        (
            "pymc.distributions.simulator.SimulatorRV._distance",
            "pymc.distributions.simulator.SimulatorRV._sum_stat",
        ),
    ),
)

OTHERS = (
    Use(
        "A spline of SciPy is turned into polynomials.",
        ("graphs/variables/splines.py",),
        ("scipy.interpolate.UnivariateSpline._eval_args",),
    ),
    Use(
        "A function of NumPy does what it does without us when a library calls it.",
        ("ppl/reading/numpy_functions.py",),
        ("numpy.mean._implementation", "sys._getframe"),
    ),
    Use(
        "Runs in the background are stopped before Python waits for their threads at its exit.",
        ("ppl/background/started.py",),
        ("threading._register_atexit",),
    ),
    Use(
        "What is in memory need not be read in parts.",
        ("ppl/predicting/flat_draws.py",),
        ("xarray.core.variable.Variable._in_memory",),
    ),
    Use(
        "ArviZ's tables show as many digits where they are put together.",
        ("ppl/diagnosing/summarising.py",),
        ("arviz_stats.summary.SummaryDataFrame._fmt_map",),
    ),
)

USES = (*NUMBA, *PYTENSOR, *PYMC, *OTHERS)
