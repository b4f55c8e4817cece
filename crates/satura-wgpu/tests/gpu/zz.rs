use crate::common::*;
use satura_ir::Runnable;
use satura_kernel::*;
use satura_tensor::{DType, Tensor};
use satura_wgpu::*;
#[test]
fn measure() {
    let dir = CacheDir::from_env();
    let t = std::time::Instant::now();
    let gpu = Gpu::open_with_cache(&AdapterChoice::Auto, &dir).unwrap();
    let open = t.elapsed();
    let n = 4096;
    let mut p = Plans::default();
    let x = p.input(DType::F32, &[n], Storage::F32);
    for i in 0..40 {
        let out = p.output(DType::F32, &[n], Storage::F32);
        let kernel = elementwise("add", n, &[Storage::F32], Storage::F32, 4, |b, v| {
            let mut x = v[0];
            for j in 0..60 {
                let c = b.f32((i * 100 + j) as f32 * 1e-5);
                x = b.fma(x, c, v[0]);
                if j % 10 == 0 {
                    x = b.unary(UnaryOp::Exp, x);
                }
            }
            x
        });
        let kernel = p.kernel(kernel);
        p.dispatch(kernel, &[x, out], &[]);
    }
    let warm_up = std::env::var("NOWARM").is_err();
    let mut c = compile(&gpu, &p.plan, &PlanOptions { checked: false, warm_up }).unwrap();
    let times = c.time(&[Tensor::from_vec(vec![0.1f32; n], &[n])], 4).unwrap();
    eprintln!("open {open:?} {:?} runs {times:?} notes {:?}", c.stats(), gpu.notes());
    let prof = c.profile(&[Tensor::from_vec(vec![0.1f32; n], &[n])]).unwrap();
    eprintln!("sum {} {:?}", prof.iter().map(|p| p.nanoseconds).sum::<f64>(), &prof[..3]);
    let _ = c.report();
}
