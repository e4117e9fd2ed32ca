/* One JPEG at a time, in and out, through libjpeg's interface as mozjpeg has it.
 *
 * libjpeg reports an error by a call that must not return. Here it jumps, and only over frames of C: every function
 * below that calls into the library sets its own place to jump to and returns a status, so that Rust sees no jump and
 * no unwinding, nothing exits, and nothing is printed. What the library allocates belongs to the decoder and is freed with
 * it, after a jump too. */

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* Exported by both halves of mozjpeg: the one in assembler, and the stand-in, which says no to everything. */
extern int jsimd_can_idct_islow(void);

/* A progressive file may ask for any number of passes over all of its blocks; no encoder writes a tenth of this. */
#define MOST_SCANS 200

enum { FAILED = 0, DONE = 1, CUT = 2 };

struct errors {
  struct jpeg_error_mgr base;
  jmp_buf jump;
  int is_cut;
  char message[JMSG_LENGTH_MAX];
};

struct sculpt_jpeg {
  struct jpeg_decompress_struct info;
  struct errors errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
};

static void on_error(j_common_ptr info) {
  struct errors *errors = (struct errors *)info->err;
  (*info->err->format_message)(info, errors->message);
  longjmp(errors->jump, 1);
}

/* Warnings are counted by the library's caller; decoders of everybody else go on, and so does this one. */
static void on_message(j_common_ptr info, int level) {
  if (level < 0) info->err->num_warnings++;
}

static void on_output(j_common_ptr info) { (void)info; }

static void set_errors(struct errors *errors) {
  jpeg_std_error(&errors->base);
  errors->base.error_exit = on_error;
  errors->base.emit_message = on_message;
  errors->base.output_message = on_output;
  errors->message[0] = 0;
  errors->is_cut = 0;
}

static void on_init(j_decompress_ptr info) { (void)info; }

/* All bytes are given at the start: whoever asks for more reads a file that was cut. */
static boolean on_more(j_decompress_ptr info) {
  ((struct errors *)info->err)->is_cut = 1;
  ERREXIT(info, JERR_INPUT_EOF);
  return FALSE;
}

static void on_skip(j_decompress_ptr info, long n) {
  if (n <= 0) return;
  if ((size_t)n > info->src->bytes_in_buffer) on_more(info);
  info->src->next_input_byte += n;
  info->src->bytes_in_buffer -= (size_t)n;
}

static void on_progress(j_common_ptr info) {
  if (info->is_decompressor && ((j_decompress_ptr)info)->input_scan_number > MOST_SCANS)
    ERREXITS(info, JERR_BAD_PROGRESSION, "too many scans");
}

int sculpt_jpeg_is_fast(void) { return jsimd_can_idct_islow(); }

static int create(struct sculpt_jpeg *jpeg) {
  if (setjmp(jpeg->errors.jump)) return FAILED;
  jpeg_create_decompress(&jpeg->info);
  return DONE;
}

struct sculpt_jpeg *sculpt_jpeg_new(void) {
  struct sculpt_jpeg *jpeg = calloc(1, sizeof *jpeg);
  if (!jpeg) return NULL;
  set_errors(&jpeg->errors);
  jpeg->info.err = &jpeg->errors.base;
  if (create(jpeg) != DONE) {
    jpeg_destroy_decompress(&jpeg->info);
    free(jpeg);
    return NULL;
  }
  jpeg->source.init_source = on_init;
  jpeg->source.fill_input_buffer = on_more;
  jpeg->source.skip_input_data = on_skip;
  jpeg->source.resync_to_restart = jpeg_resync_to_restart;
  jpeg->source.term_source = on_init;
  jpeg->info.src = &jpeg->source;
  jpeg->progress.progress_monitor = on_progress;
  jpeg->info.progress = &jpeg->progress;
  return jpeg;
}

void sculpt_jpeg_free(struct sculpt_jpeg *jpeg) {
  if (!jpeg) return;
  jpeg_destroy_decompress(&jpeg->info);
  free(jpeg);
}

const char *sculpt_jpeg_message(const struct sculpt_jpeg *jpeg) { return jpeg->errors.message; }

static int failure(struct sculpt_jpeg *jpeg) {
  jpeg_abort_decompress(&jpeg->info);
  return jpeg->errors.is_cut ? CUT : FAILED;
}

/* Reads everything before the picture's data. `facts`: width, height, components, and how many bytes were read. The bytes
 * must stay where they are until sculpt_jpeg_decode has returned. */
int sculpt_jpeg_header(struct sculpt_jpeg *jpeg, const uint8_t *bytes, size_t n, size_t facts[4]) {
  j_decompress_ptr info = &jpeg->info;
  if (setjmp(jpeg->errors.jump)) return failure(jpeg);
  jpeg_abort_decompress(info);
  jpeg->errors.is_cut = 0;
  jpeg->errors.message[0] = 0;
  jpeg->source.next_input_byte = bytes;
  jpeg->source.bytes_in_buffer = n;
  jpeg_read_header(info, TRUE);
  facts[0] = info->image_width;
  facts[1] = info->image_height;
  facts[2] = (size_t)info->num_components;
  facts[3] = n - jpeg->source.bytes_in_buffer;
  return DONE;
}

/* Fills `out` with the rectangle, 3 bytes a pixel, or 4 where the picture has four components: CMYK as it stands. */
int sculpt_jpeg_decode(struct sculpt_jpeg *jpeg, unsigned left, unsigned top, unsigned width, unsigned height,
                       uint8_t *out) {
  j_decompress_ptr info = &jpeg->info;
  if (setjmp(jpeg->errors.jump)) return failure(jpeg);
  int is_cmyk = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
  info->out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
  size_t pixel = is_cmyk ? 4 : 3;
  jpeg_start_decompress(info);

  /* Chroma is interpolated from its neighbours: two pixels more on each side make those inside the same as in the whole
   * picture. The library then begins at a block's edge. */
  JDIMENSION first = left < 2 ? 0 : left - 2;
  JDIMENSION end = left + width + 2 >= info->image_width ? info->image_width : left + width + 2;
  JDIMENSION n = end - first;
  if (n < info->image_width) jpeg_crop_scanline(info, &first, &n);
  size_t skip = (left - first) * pixel, row = width * pixel;
  JSAMPARRAY line =
      (*info->mem->alloc_sarray)((j_common_ptr)info, JPOOL_IMAGE, (JDIMENSION)(info->output_width * pixel), 1);

  if (top) jpeg_skip_scanlines(info, top);
  for (unsigned y = 0; y < height; y++) {
    jpeg_read_scanlines(info, line, 1);
    memcpy(out + y * row, line[0] + skip, row);
  }
  /* What comes after the last row is nobody's business. */
  jpeg_abort_decompress(info);
  return DONE;
}

struct destination {
  struct jpeg_destination_mgr base;
  size_t n;
};

static void on_begin_output(j_compress_ptr info) { (void)info; }

static boolean on_full(j_compress_ptr info) {
  ERREXIT(info, JERR_BUFFER_SIZE);
  return FALSE;
}

/* Encodes pixels of 3 bytes as baseline JPEG, chroma at half the resolution, into `out` of `*n` bytes; `*n` becomes the
 * number written. `message` has JMSG_LENGTH_MAX (200) bytes. */
int sculpt_jpeg_encode(const uint8_t *pixels, unsigned width, unsigned height, int quality, uint8_t *out, size_t *n,
                       char *message) {
  struct jpeg_compress_struct info;
  struct errors errors;
  struct destination destination;
  memset(&info, 0, sizeof info);
  set_errors(&errors);
  info.err = &errors.base;
  if (setjmp(errors.jump)) {
    memcpy(message, errors.message, JMSG_LENGTH_MAX);
    jpeg_destroy_compress(&info);
    return FAILED;
  }
  jpeg_create_compress(&info);
  destination.base.next_output_byte = out;
  destination.base.free_in_buffer = *n;
  destination.base.init_destination = on_begin_output;
  destination.base.empty_output_buffer = on_full;
  destination.base.term_destination = on_begin_output;
  info.dest = &destination.base;
  info.image_width = width;
  info.image_height = height;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  /* mozjpeg's own way searches for minutes; this is libjpeg-turbo's. */
  jpeg_c_set_int_param(&info, JINT_COMPRESS_PROFILE, JCP_FASTEST);
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW line = (JSAMPROW)(pixels + (size_t)info.next_scanline * width * 3);
    jpeg_write_scanlines(&info, &line, 1);
  }
  jpeg_finish_compress(&info);
  *n -= destination.base.free_in_buffer;
  jpeg_destroy_compress(&info);
  return DONE;
}
